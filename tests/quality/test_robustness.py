"""Whether the model still reads digits that are shifted, noisy, blurred, and whatever else images become."""

import numpy as np
import pytest

from mnistlab.data import CORRUPTIONS
from mnistlab.metrics import figures as plots_behaviour
from mnistlab.metrics import robustness
from mnistlab.requirement import Requirement

EXAMPLE = 0  # of the test images


@pytest.fixture(scope="module")
def examples(dataset):
    """Return an image of every corruption at severity 0 to 5, and is filled while the accuracies are measured."""
    return {name: [dataset.test_images[EXAMPLE]] for name in CORRUPTIONS}


@pytest.fixture(scope="module")
def unchanged():
    """Return how many images every corruption left as they were, and is filled while the accuracies are measured."""
    return {}


@pytest.fixture(scope="module")
def accuracies(pipeline, trained, dataset, corrupted, examples, unchanged):
    """Return the accuracy of every corruption at severity 0 to 5; one set of images is in memory at a time."""

    def watched():
        for name, severity, images in corrupted():
            examples[name].append(images[EXAMPLE])
            unchanged[name, severity] = int((images == dataset.test_images).all(axis=(1, 2)).sum())
            yield name, severity, images

    return robustness.accuracies(pipeline, trained.model, watched(), dataset)


def test_accuracy_by_severity_can_be_looked_at(check, accuracies, examples, pipeline):
    stated = {bound.name: bound.bound for bound in pipeline.spec.bounds}
    at = robustness.SEVERITY
    bounds = {name: stated.get(f"accuracy under {name}, severity {at}") for name in accuracies}
    figure = plots_robustness.robustness(
        accuracies,
        {name: bound for name, bound in bounds.items() if bound is not None},
        {name: np.stack(images) for name, images in examples.items()},
        at,
    )
    caption = (
        "Accuracy (%) from severity 0, the image as it is, to 5, above the first test image at that severity. "
        "It should fall slowly; the red mark is the least that is accepted."
    )
    check.picture("Accuracy under corruption", caption, figure)


def test_every_corruption_changes_every_image(check, accuracies, unchanged):
    total = sum(unchanged.values())
    detail = f"of {len(unchanged)} sets of images"
    check(
        Requirement("images that a corruption leaves as they are", "robustness", 0, "equal to"),
        total,
        detail,
    )


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_accuracy_under_corruption_is_that_of_healthy_models(check, accuracies, name):
    by_severity = ", ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies[name])
    unit = CORRUPTIONS[name].unit
    at = robustness.SEVERITY
    check(
        f"accuracy under {name}, severity {at}",
        accuracies[name][at],
        f"{by_severity} % from severity 0; {unit}",
    )


def test_mean_accuracy_under_corruption_is_that_of_healthy_models(check, accuracies):
    check("mean accuracy under corruption", robustness.mean_accuracy(accuracies))


def test_accuracy_does_not_rise_with_severity(check, accuracies):
    check("steepest rise of accuracy with severity", robustness.steepest_rise(accuracies))
