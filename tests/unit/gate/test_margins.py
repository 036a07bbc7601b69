"""Which metrics the recipe gate compares, and how much worse each may be."""

import numpy as np
import pytest

from mnistlab.errors import MnistlabError
from mnistlab.gate.margins import NOISE, gate_metrics

VALUES = np.array([0.97, 0.971, 0.972, 0.973])
NAMES = ("accuracy", "loss", "true-class probability", "recall of 8", "worst recall")
FINAL = {f"final {name}": VALUES for name in NAMES}
BOTH = {**FINAL, **{f"averaged {name}": VALUES for name in NAMES}, NOISE: VALUES}


def by_name(*arguments, **options):
    return {metric.name: metric for metric in gate_metrics(*arguments, **options)}


def test_accuracy_of_the_averaged_weights_leads():
    assert gate_metrics(BOTH, 10_000)[0].name == "accuracy (averaged weights)"


def test_without_averaged_weights_the_final_ones_lead_and_their_spread_is_guarded():
    metrics = by_name(FINAL, 10_000)
    assert next(iter(metrics)) == "accuracy (final weights)"
    assert "spread of accuracy (final weights)" in metrics
    assert not any("averaged" in name for name in metrics)


def test_the_spread_of_one_kind_of_weights_is_compared():
    assert [metric.key for metric in gate_metrics(BOTH, 10_000) if metric.spread] == [
        "averaged accuracy"
    ]


def test_no_two_metrics_have_one_name():
    assert len(by_name(BOTH, 10_000)) == len(gate_metrics(BOTH, 10_000))


@pytest.mark.parametrize(("images", "margin"), [(10_000, 0.001), (360, 4 / 360)])
def test_the_margin_of_accuracy_is_a_tenth_of_a_point_or_four_images(images, margin):
    assert gate_metrics(BOTH, images)[0].margin == margin


def test_other_margins_are_multiples_of_the_accepted_spread():
    metrics = by_name(BOTH, 10_000)
    assert metrics["loss (final weights)"].margin == pytest.approx(2.5 * VALUES.std(ddof=1))
    assert metrics["accuracy (final weights)"].margin == metrics["loss (final weights)"].margin


def test_losses_and_spreads_are_better_when_lower():
    metrics = by_name(BOTH, 10_000)
    lower = {name for name, metric in metrics.items() if metric.lower_is_better}
    assert {"loss (final weights)", "loss above the averaged (final weights)"} <= lower
    assert "spread of accuracy (averaged weights)" in lower
    assert "accuracy (averaged weights)" not in lower


def test_metrics_have_the_units_of_people():
    units = {name: metric.unit for name, metric in by_name(BOTH, 10_000).items()}
    assert units["loss (final weights)"] == "nats"
    assert units["true-class probability (averaged weights)"] == "points"
    assert units["spread of accuracy (averaged weights)"] == "times"


def test_a_stated_margin_replaces_the_default_and_still_leads():
    stated = gate_metrics(BOTH, 10_000, {"accuracy": 0.002})
    assert (stated[0].name, stated[0].margin) == ("accuracy (averaged weights)", 0.002)
    assert stated[0].source == "stated in the spec"
    default = gate_metrics(BOTH, 10_000)
    assert stated[0].alpha == default[0].alpha
    assert {metric.name for metric in stated} == {metric.name for metric in default}


def test_the_command_line_outranks_the_spec():
    leader = gate_metrics(BOTH, 10_000, {"accuracy": 0.002}, leading=0.003)[0]
    assert (leader.margin, leader.source) == (0.003, "--margin")


def test_a_margin_of_the_command_line_is_of_accuracy_even_if_the_spec_leaves_it_out():
    leader = gate_metrics(BOTH, 10_000, {"accuracy": None}, leading=0.003)[0]
    assert (leader.name, leader.margin) == ("accuracy (averaged weights)", 0.003)


def test_a_metric_can_be_left_out():
    left = by_name(BOTH, 10_000, {"accuracy": None, "spread of accuracy": None})
    assert "accuracy (averaged weights)" not in left
    assert "spread of accuracy (averaged weights)" not in left
    assert "accuracy (final weights)" in left


def test_digits_and_other_metrics_can_be_added():
    added = by_name(BOTH, 10_000, {"recall of 8": 0.01, "spread of loss": 3.0})
    assert added["recall of 8 (averaged weights)"].margin == 0.01
    assert added["spread of loss (averaged weights)"].spread


def test_weights_can_be_named():
    assert by_name(BOTH, 10_000, {"final loss": 0.1})["loss (final weights)"].margin == 0.1


def test_a_metric_that_only_the_final_weights_have_needs_no_weights():
    stated = by_name(BOTH, 10_000, {"loss above the averaged": 0.1})
    assert stated["loss above the averaged (final weights)"].margin == 0.1


def test_a_metric_that_was_not_accepted_is_named_with_those_that_were():
    with pytest.raises(MnistlabError, match="'recall of 9' is not measured; known: accuracy, loss"):
        gate_metrics(BOTH, 10_000, {"recall of 9": 0.01})


@pytest.mark.parametrize(
    ("name", "margin", "least"),
    [("loss", 0, 0), ("loss", -1, 0), ("loss", float("nan"), 0), ("spread of accuracy", 1, 1)],
)
def test_a_margin_that_nothing_can_keep_is_refused(name, margin, least):
    with pytest.raises(MnistlabError, match=f"'{name}' has margin {margin}.* than {least}"):
        gate_metrics(BOTH, 10_000, {name: margin})


def test_a_gate_without_metrics_is_refused():
    names = ("accuracy", "loss", "true-class probability", "spread of accuracy")
    with pytest.raises(MnistlabError, match="leaves out every metric; required at least one"):
        gate_metrics(FINAL, 10_000, dict.fromkeys(names))
