"""The pictures of the gates say in their titles what is seen, and draw what cannot be drawn without a warning."""

import numpy as np
import pytest
from error_rates_study import drops_to

from mnistlab.gate import figures as plots_gate
from mnistlab.gate import sequential as gate
from mnistlab.gate.margins import Margin
from mnistlab.gate.paired import Comparison
from mnistlab.gate.seed_runs import SeedRun, columns
from mnistlab.metrics.evaluation import Evaluation
from mnistlab.report.figures import png

ONE = Evaluation(np.eye(10, dtype=np.float32), np.arange(10, dtype=np.uint8))
MARGINS = (
    Margin("averaged", "accuracy", 0.001, 0.0075, ""),
    Margin("final", "loss", 0.012, 0.003, ""),
)
DROPS = drops_to(0.001)
RATES = {
    "margin": 0.001,
    "budget": 32,
    "drops": DROPS,
    "curve": [min(1.0, 12 * drop / 0.025) for drop in DROPS],
}
OTHERS = {
    name: {"drops": DROPS, "curve": [0.1] * len(DROPS)}
    for name in ("threshold", "McNemar", "final weights")
}


def drawn(count, sd, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, sd, (count, 2))
    return [
        SeedRun(i, {"averaged": {"accuracy": 0.98 + a}, "final": {"loss": 0.07 + b}}, ONE)
        for i, (a, b) in enumerate(values)
    ]


def title(figure):
    return " ".join(figure.get_suptitle().split())


@pytest.mark.parametrize("sd", [0.0005, 0.0])
def test_strip_of_seeds_says_the_verdict(sd):
    baseline = columns(drawn(50, 0.0005, seed=1))
    result = gate.run(
        lambda seeds: iter(drawn(len(seeds), sd)), 0, baseline, gate.plan(MARGINS, 8, 50)
    )
    figure = plots_gate.seed_strip(result, baseline)
    assert title(figure) == f"{result.decision}: {result.sentence}"
    assert len(figure.axes) == 2
    assert png(figure)[:4] == b"\x89PNG"


@pytest.mark.parametrize("here", [0.0003, -0.01, np.nan])
def test_power_curve_says_what_is_found_and_marks_this_run(here):
    figure = plots_gate.power_curve(RATES, OTHERS, here)
    assert (
        title(figure)
        == "A drop of 0.20 points is found with a probability of 96.0 %, at most 32 seeds"
    )
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert ("this run's estimate" in labels) == bool(np.isfinite(here))
    assert png(figure)


def test_power_curve_is_drawn_without_the_others():
    assert len(plots_gate.power_curve(RATES, {}, np.nan).axes[0].get_legend().get_texts()) == 1


def comparison(wrong):
    labels = np.arange(500).astype(np.uint8) % 10
    probabilities = np.full((500, 10), 0.02, np.float32)
    probabilities[np.arange(500), np.where(np.arange(500) < wrong, (labels + 1) % 10, labels)] = (
        0.82
    )
    return Comparison(Evaluation(probabilities, labels), labels, np.full(500, 200, np.uint8))


def test_paired_table_has_all_four_counts():
    figure = plots_gate.paired_table(comparison(60))
    assert [text.get_text() for text in figure.axes[0].texts] == ["440", "60", "0", "0"]
    assert png(figure)


@pytest.mark.parametrize("wrong", [60, 0])
def test_newly_wrong_images_are_counted_and_shown(wrong):
    figure = plots_gate.newly_wrong(comparison(wrong), np.zeros((500, 28, 28), np.uint8))
    assert (
        title(figure)
        == f"{wrong} images that the accepted model reads right and this file does not"
    )
    assert png(figure)
