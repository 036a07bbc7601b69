"""Whether the model still reads digits that are shifted, noisy, blurred or otherwise corrupted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from mnistlab.data import CORRUPTIONS
from mnistlab.metrics import SEVERITY, figures, robustness
from mnistlab.requirement import Requirement


@dataclass
class Measured:
    """What one pass over all corruptions measures; one set of images is in memory at a time."""

    accuracies: Mapping[str, tuple[float, ...]]  # at severity 0 to 5
    examples: Mapping[str, list[Any]]  # the first test image at severity 0 to 5
    unchanged: list[int]  # images that a corruption leaves as they are, by set of images


@pytest.fixture(scope="module")
def measured(pipeline, trained, dataset, corrupted):
    examples = {name: [dataset.test_images[0]] for name in CORRUPTIONS}
    unchanged = []

    def watched():
        for name, severity, images in corrupted():
            examples[name].append(images[0])
            unchanged.append(int((images == dataset.test_images).all(axis=(1, 2)).sum()))
            yield name, severity, images

    accuracies = robustness.accuracies(pipeline, trained.model, watched(), dataset)
    return Measured(accuracies, examples, unchanged)


@pytest.fixture(scope="module")
def accuracies(measured):
    return measured.accuracies


def test_accuracy_by_severity_can_be_looked_at(check, measured):
    least = {
        name: check.least(f"accuracy under {name}, severity {SEVERITY}") for name in CORRUPTIONS
    }
    bounds = {name: bound for name, bound in least.items() if np.isfinite(bound)}
    examples = {name: np.stack(images) for name, images in measured.examples.items()}
    figure = figures.robustness(measured.accuracies, bounds, examples, SEVERITY)
    caption = (
        "Accuracy (%) from severity 0, the original image, to 5, with the first test image at each "
        "severity. It should fall slowly. The red mark is the lowest accuracy accepted."
    )
    check.picture("Accuracy under corruption", caption, figure)


def test_every_corruption_changes_every_image(check, measured):
    name = "images that a corruption leaves as they are"
    advice = "such an image tests nothing; look for blank test images"
    changed = Requirement(name, "robustness", 0, "equal to", advice=advice)
    check(changed, sum(measured.unchanged), f"of {len(measured.unchanged)} sets of images")


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_accuracy_under_corruption_is_that_of_healthy_models(check, accuracies, dataset, name):
    by_severity = ", ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies[name])
    check.within_healthy_range(
        f"accuracy under {name}, severity {SEVERITY}",
        accuracies[name][SEVERITY],
        worse="lower",
        images=len(dataset.test_labels),
        advice="look at the picture of accuracy by severity",
        detail=f"{by_severity} % from severity 0; {CORRUPTIONS[name].unit}",
    )


def test_mean_accuracy_under_corruption_is_that_of_healthy_models(check, accuracies):
    check.within_healthy_range(
        "mean accuracy under corruption",
        robustness.mean_accuracy(accuracies),
        worse="lower",
        unit="fraction",
        advice="look at the single corruptions",
    )


def test_accuracy_does_not_rise_with_severity(check, accuracies, dataset):
    check.within_healthy_range(
        "steepest rise of accuracy with severity",
        robustness.steepest_rise(accuracies),
        worse="higher",
        images=len(dataset.test_labels),
        advice="it reads worse images better: is it given other images than in training?",
    )
