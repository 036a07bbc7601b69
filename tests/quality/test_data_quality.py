"""Whether the data has near-duplicates, wrong labels, rare classes or drift."""

import numpy as np
import pytest

from mnistlab.data import quality
from mnistlab.errors import NotRequiredError
from mnistlab.report.figures import gallery
from mnistlab.requirement import Requirement

PAIRS = 10
KNOWN = {"mnist": quality.KNOWN_MNIST_ERRORS}
DRIFT = {
    "mean": "MNIST 0.034, scikit-learn's digits 0.038",
    "standard deviation": "MNIST 0.020, the digits 0.038",
}


@pytest.fixture(scope="module")
def drifts(prepared):
    moments = quality.pixel_drift(prepared.train_images, prepared.test_images)
    return dict(zip(DRIFT, moments, strict=True))


def test_no_test_image_is_nearly_a_training_image(check, dataset):
    indices, distances = quality.nearest_training_images(dataset)
    pairs = np.argsort(distances, kind="stable")[:PAIRS]
    images = np.concatenate([dataset.test_images[pairs], dataset.train_images[indices[pairs]]])
    captions = [
        f"test {i}: {dataset.test_labels[i]}\n{distances[i]:.1f} grey levels" for i in pairs
    ]
    captions += [f"training {i}: {dataset.train_labels[i]}" for i in indices[pairs]]
    title = f"The {PAIRS} test images that are most similar to a training image"
    caption = (
        "Top: the test image. Bottom: its nearest training image. The number is their root mean "
        "square difference. Look for copies."
    )
    check.picture("Near-duplicates", caption, gallery(images, captions, title=title))
    source = (
        "MNIST's closest pair differs by 7.5, the digits' by 9.3; a copy saved as JPEG of quality "
        "90 by at most 2.7"
    )
    advice = (
        "training images have leaked into the test set; look at the pictured pairs and remove the "
        "copies"
    )
    name, unit = "closest test and training image", "grey levels"
    closest = Requirement(name, "data_quality", 5.0, "at least", unit, source, advice)
    check(closest, float(distances.min()))


@pytest.fixture(scope="module")
def suspects(evaluation):
    """Return the places of test labels that are likely wrong, the likeliest first."""
    return quality.likely_label_errors(evaluation.probabilities, evaluation.labels)


def test_likely_label_errors_can_be_looked_at(check, dataset, evaluation, suspects):
    known = KNOWN.get(dataset.name, ())
    captions = [
        f"label {dataset.test_labels[i]}, read as {evaluation.predictions[i]}\n"
        f"{i}{' (known)' if i in known else ''}"
        for i in suspects[:20]
    ]
    images = dataset.test_images[suspects[:20]]
    figure = gallery(images, captions, title="Labels that are most likely wrong")
    caption = (
        f"The model confidently contradicts {len(suspects)} labels (confident learning); the first "
        "20 by margin. If you agree with a label, the model is wrong. Known: at most 2 of 5 people "
        "confirmed the label (Northcutt et al., 2021)."
    )
    check.picture("Likely label errors", caption, figure)


def test_known_label_errors_are_not_repeated(check, dataset, evaluation, suspects):
    known = KNOWN.get(dataset.name, ())
    if not known:
        raise NotRequiredError("no label errors of this dataset are known")
    misread = [i for i in known if not evaluation.right[i]]
    suspected = sorted(set(suspects.tolist()) & set(known))
    check.within_healthy_range(
        "known label errors that are misread",
        len(misread),
        worse="lower",
        advice="it repeats labels of the test set that people call wrong: has it seen the test "
        "set?",
        detail=f"of {len(known)}: {', '.join(map(str, misread))}; suspected: {suspected}",
    )


@pytest.mark.depends_on("labels")
def test_training_sees_every_digit_often_enough(check, prepared, pipeline):
    count = pipeline.spec.trained_on(len(prepared.train_labels))
    shares = prepared.train_labels[:count].mean(axis=0)
    source = (
        "MNIST 9.0 % (digit 5), scikit-learn's digits 9.4 % (digit 0); ten equally frequent digits "
        "would have 10 %"
    )
    advice = "the training images are not a random sample; look at how they were selected or split"
    name = "share of the rarest digit in training"
    rarest = Requirement(name, "data_quality", 0.08, "at least", "fraction", source, advice)
    detail = f"digit {shares.argmin()}; the most frequent is {shares.argmax()}"
    check(rarest, float(shares.min()), detail)


@pytest.mark.depends_on("images")
@pytest.mark.parametrize("moment", DRIFT)
def test_training_and_test_images_are_alike_pixel_by_pixel(check, drifts, moment):
    name = f"largest difference of a pixel's {moment}, training to test"
    advice = "the two sets differ; check that both are prepared alike and come from one source"
    alike = Requirement(name, "data_quality", 0.06, "at most", "of white", DRIFT[moment], advice)
    check(alike, drifts[moment])
