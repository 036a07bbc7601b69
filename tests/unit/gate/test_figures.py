"""Figures of the gates: titles state the result, and odd values are drawn without a warning."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.gate import figures, paired, sequential
from mnistlab.gate.plan import make_plan
from mnistlab.metrics import Evaluation
from mnistlab.report.figures import png

DROPS = [0.001 * step / 4 for step in range(13)]
RATES = {
    "margin": 0.001,
    "budget": 32,
    "drops": DROPS,
    "curve": [min(1.0, 12 * drop / 0.025) for drop in DROPS],
}


def title(figure):
    return " ".join(figure.get_suptitle().split())


def train(recipe, case):
    """Return a function that trains like one of three candidates."""
    candidate = replace(recipe, lost_accuracy=0.02 if case == "worse" else 0)

    def run(seeds):
        if case == "one result":
            return [replace(candidate.runs([1])[0], seed=seed) for seed in seeds]
        return candidate.runs(seeds, 0 if case == "identical" else 1)

    return run


@pytest.mark.parametrize("case", ["healthy", "worse", "one result", "identical"])
def test_strip_of_seeds_states_the_verdict_and_joins_matched_seeds(recipe, accepted, metrics, case):
    recipe = replace(recipe, slope=1.0) if case == "identical" else recipe
    plan = make_plan(metrics, 4, accepted)
    result = sequential.run(train(recipe, case), accepted, 0, plan)
    assert result.identical == (case == "identical")
    count = len(result.seeds)
    same = {key: values[:count] for key, values in accepted.columns.items()}
    figure = figures.seed_strip(result, accepted.columns, same)
    assert title(figure) == f"{result.decision}: {result.sentence}"
    assert len(figure.axes) == 4  # accuracy and loss of both kinds of weights
    joined = [line for line in figure.axes[0].lines if line.get_ydata()[0] == 0.6]
    assert len(joined) == count
    figure.draw_without_rendering()


@pytest.mark.parametrize("here", [0.0003, -0.01, np.nan])
def test_power_curve_states_what_is_found_and_marks_this_run(here):
    figure = figures.power_curve(RATES, here)
    assert title(figure) == (
        "A drop of 0.20 points is found with a probability of 96.0 %, with at most 32 seeds"
    )
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert ("this run's estimate" in labels) == bool(np.isfinite(here))
    assert png(figure)


def comparison(wrong, newly_right=0):
    labels = np.arange(500).astype(np.uint8) % 10
    accepted = np.where(np.arange(500) >= 500 - newly_right, (labels + 1) % 10, labels)
    digits = np.where(np.arange(500) < wrong, (labels + 1) % 10, labels)
    probabilities = np.full((500, 10), 0.02, np.float32)
    probabilities[np.arange(500), digits] = 0.82
    baseline = SimpleNamespace(predictions=accepted, truth=np.full(500, 200, np.uint8))
    return paired.compare(Evaluation(probabilities, labels), baseline, 0.02)


def test_paired_table_has_all_four_counts():
    figure = figures.paired_table(comparison(60, 9))
    counts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    # The file is right on the left, the accepted model above.
    assert counts == {(0.5, 1.5): "431", (1.5, 1.5): "60", (0.5, 0.5): "9", (1.5, 0.5): "0"}
    assert png(figure)


@pytest.mark.parametrize("wrong", [60, 0])
def test_newly_wrong_images_are_counted_and_shown(wrong):
    figure = figures.newly_wrong(comparison(wrong), np.zeros((500, 28, 28), np.uint8))
    assert (
        title(figure)
        == f"{wrong} images that the accepted model reads right and this file does not"
    )
    assert png(figure)
