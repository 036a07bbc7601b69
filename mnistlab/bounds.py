"""The bounds of behaviour beyond accuracy, and the healthy seeds that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from mnistlab.requirement import Direction, Requirement

Numbers: TypeAlias = Mapping[str, tuple[float, float, float]]
"""What is bounded -> the bound, and mean and standard deviation over the healthy seeds."""

SEEDS = "96 healthy seeds"

# How the names of a kind begin; group, direction, unit; what to look at where the bound is missed.
_KINDS: tuple[tuple[str, str, Direction, str, str], ...] = (
    (
        "accuracy after training on permuted labels",
        "training",
        "at most",
        "fraction",
        "nothing can be learnt from them: does fit know the labels, or the images their digits, by another way?",
    ),
    ("parameters that no gradient reaches", "training", "at most", "", "look at the initialisation and frozen layers"),
    (
        "hidden units that say the same of every image",
        "training",
        "at most",
        "fraction",
        "they are dead: look at the learning rate and the initialisation",
    ),
    (
        "norm of the weights",
        "training",
        "at least",
        "",
        "look at regularisation, clipping, the learning rate and the number of steps",
    ),
    (
        "training accuracy less the history's",
        "behaviour",
        "at least",
        "fraction",
        "the history's is the mean over an epoch in which the model still learns: was another model measured, or other "
        "images, or are they prepared in another way?",
    ),
    ("predictions changed by", "behaviour", "at most", "fraction", "it relies on single pixels: does it overfit?"),
    ("drawn digits that are misread", "behaviour", "at most", "", "look at their picture: polarity, scaling, labels?"),
    (
        "accuracy above the rest",
        "behaviour",
        "at least",
        "fraction",
        "look for a feature that follows the order of the images: batches that are normalised, test images in training",
    ),
    (
        "expected calibration error",
        "calibration",
        "at most",
        "fraction",
        "its confidence is not its accuracy: look at the loss, label smoothing, scaling at prediction, overfitting",
    ),
    ("Brier score", "calibration", "at most", "", "look at the reliability diagram"),
    ("mean confidence on mistakes", "calibration", "at most", "fraction", "it is overconfident: look for overfitting"),
    ("area under the ROC of confidence", "calibration", "at least", "", "confidence does not tell right from wrong"),
    (
        "known label errors that are misread",
        "data_quality",
        "at least",
        "",
        "it repeats labels of the test set that people call wrong: has it seen the test set?",
    ),
    ("accuracy under", "robustness", "at least", "fraction", "look at the picture of accuracy by severity"),
    ("mean accuracy under corruption", "robustness", "at least", "fraction", "look at the single corruptions"),
    (
        "steepest rise of accuracy with severity",
        "robustness",
        "at most",
        "fraction",
        "it reads worse images better: is it given other images than in training?",
    ),
)


def requirements(numbers: Numbers) -> tuple[Requirement, ...]:
    """Make the requirements of a dataset from their numbers.

    Parameters
    ----------
    numbers : mapping
        A name that ends in ``, most`` or ``, least`` bounds the figure from that side; else its kind decides.

    Returns
    -------
    tuple of Requirement
    """
    found = []
    for name, (bound, mean, sd) in numbers.items():
        group, direction, unit, advice = next(kind[1:] for kind in _KINDS if name.startswith(kind[0]))
        direction = "at most" if name.endswith(", most") else direction
        source = f"{mean:g} in all of {SEEDS}, which do not exclude one more in one seed of 32, nor two"
        if sd:
            source = f"mean {mean:g} (sd {sd:g}) of {SEEDS}; bounded 4.5 sd of the log error from it, or else 5 sd"
        found.append(Requirement(name, group, bound, direction, unit, source, advice))
    return tuple(found)


# Printed by benchmarks/bounds.py for seeds 1000 to 1095, rounded outward.
MNIST: Numbers = {
    "accuracy after training on permuted labels": (0.292, 0.103, 0.038),
    "parameters that no gradient reaches": (56, 1.62, 2.9),
    "hidden units that say the same of every image": (0.0503, 0.00911, 0.0082),
    "norm of the weights of layer 1, least": (33, 34, 0.18),
    "norm of the weights of layer 1, most": (35, 34, 0.18),
    "norm of the weights of layer 2, least": (8.91, 9.3, 0.077),
    "norm of the weights of layer 2, most": (9.69, 9.3, 0.077),
    "training accuracy less the history's, least": (-0.0045, 0.00442, 0.0018),
    "training accuracy less the history's, most": (0.0133, 0.00442, 0.0018),
    "expected calibration error": (0.0137, 0.00314, 0.001),
    "Brier score": (0.0522, 0.0389, 0.0026),
    "mean confidence on mistakes": (0.782, 0.724, 0.012),
    "area under the ROC of confidence": (0.935, 0.962, 0.0045),
    "predictions changed by a shift of one pixel left": (0.0733, 0.0438, 0.0052),
    "predictions changed by a shift of one pixel right": (0.0594, 0.0372, 0.004),
    "predictions changed by a shift of one pixel up": (0.0672, 0.0477, 0.0037),
    "predictions changed by a shift of one pixel down": (0.0713, 0.0454, 0.0048),
    "predictions changed by 5 % less contrast": (0.0077, 0.00273, 0.00064),
    "predictions changed by one inverted pixel": (0.0085, 0.00426, 0.00066),
    "drawn digits that are misread": (2, 0, 0),
    "accuracy above the rest: second half of the test set, least": (0.0048, 0.0168, 0.0024),
    "accuracy above the rest: second half of the test set, most": (0.0287, 0.0168, 0.0024),
    "accuracy above the rest: odd places of the test set, least": (-0.0108, -0.00138, 0.0019),
    "accuracy above the rest: odd places of the test set, most": (0.008, -0.00138, 0.0019),
    "accuracy above the rest: images behind one of their own digit, least": (-0.0212, -0.00162, 0.0039),
    "accuracy above the rest: images behind one of their own digit, most": (0.0179, -0.00162, 0.0039),
    "known label errors that are misread": (5, 11.5, 1.3),
    "accuracy under shift, severity 2": (0.873, 0.908, 0.0068),
    "accuracy under rotation, severity 2": (0.933, 0.951, 0.0033),
    "accuracy under scale, severity 2": (0.881, 0.949, 0.011),
    "accuracy under shear, severity 2": (0.922, 0.948, 0.0048),
    "accuracy under gaussian_noise, severity 2": (0.845, 0.946, 0.015),
    "accuracy under impulse_noise, severity 2": (0.884, 0.937, 0.009),
    "accuracy under blur, severity 2": (0.944, 0.967, 0.004),
    "accuracy under contrast, severity 2": (0.784, 0.93, 0.019),
    "accuracy under brightness, severity 2": (0.793, 0.941, 0.02),
    "accuracy under occlusion, severity 2": (0.928, 0.952, 0.0045),
    "accuracy under thin, severity 2": (0.91, 0.95, 0.0071),
    "accuracy under thick, severity 2": (0.824, 0.922, 0.015),
    "accuracy under jpeg, severity 2": (0.957, 0.972, 0.0027),
    "mean accuracy under corruption": (0.766, 0.822, 0.011),
    "steepest rise of accuracy with severity": (0.0094, 0.000496, 0.00075),
}
DIGITS: Numbers = {
    "accuracy after training on permuted labels": (0.307, 0.0816, 0.045),
    "parameters that no gradient reaches": (88, 2.33, 5.3),
    "hidden units that say the same of every image": (0.424, 0.234, 0.038),
    "norm of the weights of layer 1, least": (19.1, 19.6, 0.092),
    "norm of the weights of layer 1, most": (20.1, 19.6, 0.092),
    "norm of the weights of layer 2, least": (6.18, 6.56, 0.075),
    "norm of the weights of layer 2, most": (6.94, 6.56, 0.075),
    "training accuracy less the history's, least": (-0.0031, 0.000172, 0.00064),
    "training accuracy less the history's, most": (0.0034, 0.000172, 0.00064),
    "expected calibration error": (0.0409, 0.00937, 0.0036),
    "Brier score": (0.0642, 0.0474, 0.0033),
    "mean confidence on mistakes": (0.906, 0.73, 0.035),
    "area under the ROC of confidence": (0.899, 0.961, 0.0084),
    "predictions changed by a shift of one pixel left": (0.123, 0.0816, 0.0075),
    "predictions changed by a shift of one pixel right": (0.144, 0.0997, 0.0081),
    "predictions changed by a shift of one pixel up": (0.102, 0.0658, 0.0065),
    "predictions changed by a shift of one pixel down": (0.131, 0.0886, 0.0077),
    "predictions changed by 5 % less contrast": (0.0188, 0.00122, 0.0018),
    "predictions changed by one inverted pixel": (0.016, 0.000984, 0.0018),
    "drawn digits that are misread": (12, 6.82, 1),
    "accuracy above the rest: second half of the test set, least": (-0.0238, 0.0142, 0.0076),
    "accuracy above the rest: second half of the test set, most": (0.0523, 0.0142, 0.0076),
    "accuracy above the rest: odd places of the test set, least": (-0.0577, -0.0214, 0.0073),
    "accuracy above the rest: odd places of the test set, most": (0.0149, -0.0214, 0.0073),
    "accuracy above the rest: images behind one of their own digit, least": (-0.106, 0.0333, 0.0067),
    "accuracy above the rest: images behind one of their own digit, most": (0.173, 0.0333, 0.0067),
    "accuracy under shift, severity 2": (0.783, 0.835, 0.01),
    "accuracy under rotation, severity 2": (0.845, 0.884, 0.0073),
    "accuracy under scale, severity 2": (0.829, 0.897, 0.012),
    "accuracy under shear, severity 2": (0.736, 0.799, 0.012),
    "accuracy under gaussian_noise, severity 2": (0.937, 0.963, 0.0044),
    "accuracy under impulse_noise, severity 2": (0.936, 0.964, 0.0048),
    "accuracy under blur, severity 2": (0.93, 0.96, 0.0051),
    "accuracy under contrast, severity 2": (0.934, 0.964, 0.0052),
    "accuracy under brightness, severity 2": (0.946, 0.968, 0.0036),
    "accuracy under occlusion, severity 2": (0.908, 0.943, 0.0062),
    "accuracy under thin, severity 2": (0.934, 0.958, 0.0043),
    "accuracy under thick, severity 2": (0.902, 0.943, 0.0069),
    "accuracy under jpeg, severity 2": (0.946, 0.969, 0.0039),
    "mean accuracy under corruption": (0.78, 0.812, 0.0065),
    "steepest rise of accuracy with severity": (0.0237, 0.00709, 0.0031),
}
