"""Whether the data lies: near-duplicates, wrong labels, rare classes, drift."""

import numpy as np
import pytest

from mnistlab.data import quality
from mnistlab.report import figures as plots
from mnistlab.requirement import Requirement

PAIRS = 10
KNOWN = {"mnist": quality.KNOWN_MNIST_ERRORS}
DRIFT = {
    "mean": "MNIST 0.034, scikit-learn's digits 0.038",
    "standard deviation": "MNIST 0.020, the digits 0.038",
}


@pytest.fixture(scope="module")
def drifts(prepared):
    return dict(
        zip(DRIFT, quality.pixel_drift(prepared.train_images, prepared.test_images), strict=True)
    )


def test_no_test_image_is_nearly_a_training_image(check, dataset):
    indices, distances = quality.nearest_training_images(dataset)
    pairs = np.argsort(distances, kind="stable")[:PAIRS]
    images = np.concatenate([dataset.test_images[pairs], dataset.train_images[indices[pairs]]])
    captions = [
        f"test {i}: {dataset.test_labels[i]}\n{distances[i]:.1f} grey levels" for i in pairs
    ]
    captions += [f"training {i}: {dataset.train_labels[i]}" for i in indices[pairs]]
    figure = plots.gallery(
        images, captions, title=f"The {PAIRS} test images that are most like a training image"
    )
    caption = "Above the test image, below its nearest training image, and their root mean square difference: copies?"
    check.picture("Near-duplicates", caption, figure)
    source = "MNIST's closest pair differs by 7.5, the digits' by 9.3; a copy saved as JPEG of quality 90 by at most 2.7"
    advice = "the test set leaks into training; look at the pictured pairs"
    apart = Requirement(
        "closest test and training image",
        "data_quality",
        5.0,
        "at least",
        "grey levels",
        source,
        advice,
    )
    check(apart, float(distances.min()))


def test_likely_label_errors_can_be_looked_at(check, dataset, evaluation):
    suspects = quality.likely_label_errors(evaluation.probabilities, evaluation.labels)
    known = KNOWN.get(dataset.name, ())
    captions = [
        f"label {dataset.test_labels[i]}, read as {evaluation.predictions[i]}\n{i}{' (known)' if i in known else ''}"
        for i in suspects[:20]
    ]
    figure = plots.gallery(
        dataset.test_images[suspects[:20]], captions, title="Labels that are most likely wrong"
    )
    caption = (
        f"{len(suspects)} labels are confidently contradicted (confident learning); the first 20 by margin. Where you "
        "agree with the label, the model is wrong. Known: confirmed by at most 2 of 5 people (Northcutt et al., 2021)."
    )
    check.picture("Likely label errors", caption, figure)
    if known:
        misread = [i for i in known if not evaluation.right[i]]
        detail = f"of {len(known)}: {', '.join(map(str, misread))}; suspected: {sorted(set(suspects) & set(known))}"
        check("known label errors that are misread", len(misread), detail.replace("np.int64", ""))


def test_training_sees_every_digit_often_enough(check, prepared, pipeline):
    count = pipeline.spec.trained_on(len(prepared.train_labels))
    shares = prepared.train_labels[:count].mean(axis=0)
    source = "MNIST 9.0 % (digit 5), scikit-learn's digits 9.4 % (digit 0); ten even digits would have 10 %"
    often = Requirement(
        "share of the rarest digit in training",
        "data_quality",
        0.08,
        "at least",
        "fraction",
        source,
    )
    check(
        often,
        float(shares.min()),
        f"digit {shares.argmin()}; the most frequent is {shares.argmax()}",
    )


@pytest.mark.parametrize("moment", DRIFT)
def test_training_and_test_images_are_alike_pixel_by_pixel(check, drifts, moment):
    name = f"largest difference of a pixel's {moment}, training to test"
    advice = "is one of the two sets prepared in another way?"
    check(
        Requirement(name, "data_quality", 0.06, "at most", "of white", DRIFT[moment], advice),
        drifts[moment],
    )
