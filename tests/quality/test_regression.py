"""Whether the subject is no worse than what was last accepted: a recipe by fresh trainings, a file image by image."""

import pytest

from mnistlab.gate import error_rates as rates
from mnistlab.gate import figures as plots_gate
from mnistlab.gate.baseline import facts, path_of

WHY_NOT_MCNEMAR = (
    "Each image is paired with itself, which tells two files apart. A retrained model is another draw of the recipe: "
    "judged like this, {alarms}; it is trained anew instead."
)


@pytest.fixture
def accepted(baseline, baselines):
    return facts(baseline, path_of(baselines, baseline.pipeline, baseline.dataset))


def test_recipe_is_no_worse_than_the_accepted_one(
    check, recipe_gate, gate_rates, not_judged, accepted
):
    check.gate("recipe", recipe_gate.as_dict())
    check.gate("baseline", accepted)
    told = gate_rates.get("unknown") or rates.sentence(gate_rates)
    check.gate("rates", {"sentence": told})
    check.timed("recipe gate", recipe_gate.seconds)
    check.all([*(comparison.verdict() for comparison in recipe_gate.comparisons), *not_judged])


def test_seeds_can_be_looked_at(check, recipe_gate, baseline):
    caption = (
        "A dot is a training: above the accepted seeds, below the candidate's; the bar is what is known of the "
        "candidate's mean. It passes where the bar ends before the margin."
    )
    check.picture(
        "Fresh seeds against the accepted",
        caption,
        plots_gate.seed_strip(recipe_gate, baseline.columns),
    )


def test_power_can_be_looked_at(check, recipe_gate, gate_rates):
    if "unknown" in gate_rates:
        return
    here = recipe_gate.comparisons[0].degradation
    caption = f"{rates.sentence(gate_rates).capitalize()}. Measured on real trainings; docs/power.md says how."
    check.picture(
        "What this gate finds",
        caption,
        plots_gate.power_curve(gate_rates, gate_rates["others"], here),
    )


def test_file_is_no_worse_than_the_accepted_one(check, file_comparison, accepted):
    check.gate("file", file_comparison.as_dict())
    check.gate("baseline", accepted)
    check.gate("rates", {"sentence": file_comparison.rates})
    check.all(file_comparison.verdicts())


def test_paired_counts_can_be_looked_at(check, file_comparison, baselines, dataset):
    caption = WHY_NOT_MCNEMAR.format(alarms=rates.mcnemar_alarms(baselines, dataset.name))
    check.picture(
        "The file against the accepted", caption, plots_gate.paired_table(file_comparison)
    )


def test_newly_wrong_images_can_be_looked_at(check, file_comparison, dataset):
    figure = plots_gate.newly_wrong(file_comparison, dataset.test_images)
    check.picture(
        "Newly wrong", "Truth, prediction and its confidence; the surest first, at most 40.", figure
    )
