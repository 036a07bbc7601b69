"""Whether the model behaves as its users expect."""

import pytest

from mnistlab.data import PERTURBATIONS, draw_digits
from mnistlab.metrics import robustness
from mnistlab.report.figures import gallery

PLACES = (
    "second half of the test set",
    "odd places of the test set",
    "images behind one of their own digit",
)


@pytest.fixture(scope="module")
def predicted(pipeline, trained):
    """Return a function from raw images to predicted digits."""
    return lambda images: robustness.predict_raw(pipeline, trained.model, images).argmax(axis=1)


@pytest.mark.depends_on("images", "predict")
@pytest.mark.parametrize("change", PERTURBATIONS)
def test_a_small_change_changes_few_predictions(check, dataset, evaluation, predicted, change):
    images = PERTURBATIONS[change](dataset.test_images)
    same = (images == dataset.test_images).all(axis=(1, 2)).sum()
    assert not same, f"{change} leaves {same} images unchanged, so nothing is tested; report this"
    changed = predicted(images) != evaluation.predictions
    check.within_healthy_range(
        f"predictions changed by {change}",
        float(changed.mean()),
        worse="higher",
        images=evaluation.count,
        advice="it relies on single pixels: does it overfit?",
    )


def test_clean_drawn_digits_are_read_right(check, predicted):
    images, labels = draw_digits()
    digits = predicted(images)
    captions = [
        f"{digit}" if digit == label else f"{digit}, not {label}"
        for digit, label in zip(digits, labels, strict=True)
    ]
    figure = gallery(images, captions, title="Digits drawn by code, and their predictions")
    caption = "Three clean forms of each digit. Every healthy model reads them correctly."
    check.picture("Drawn digits", caption, figure)
    check.within_healthy_range(
        "drawn digits that are misread",
        int((digits != labels).sum()),
        worse="higher",
        advice="look at their picture: polarity, scaling, labels?",
        detail=f"of {len(labels)}",
    )


@pytest.mark.parametrize("place", PLACES)
def test_place_in_the_test_set_does_not_decide_accuracy(check, evaluation, place):
    check.within_healthy_range(
        f"accuracy above the rest: {place}",
        robustness.accuracy_by_position(evaluation.right, evaluation.labels)[place],
        worse="both",
        unit="fraction",
        advice="look for a feature that follows the order of the images: batches that are "
        "normalised, test images in training",
    )
