"""No worse than what was accepted: a recipe by several trainings, a file image by image."""

import pytest

from mnistlab.gate import error_rates, figures

PAIRED = (
    "Each image is paired with itself, which is right for two files. A retrained model is another "
    "draw of its recipe: judge it with --pipeline, which trains several seeds."
)


@pytest.fixture
def accepted(baseline, accepted_path):
    return baseline.facts(accepted_path)


def test_recipe_is_no_worse_than_the_accepted_one(
    check, recipe_gate, gate_rates, not_judged, accepted
):
    check.gate("recipe", recipe_gate.as_dict())
    check.gate("baseline", accepted)
    check.gate("rates", {**gate_rates, "sentence": error_rates.sentence(gate_rates)})
    check.timed("recipe gate", recipe_gate.seconds)
    check.all([*(each.verdict() for each in recipe_gate.comparisons), *not_judged])


def test_seeds_can_be_looked_at(check, recipe_gate, baseline):
    caption = (
        "A dot is a training; a line joins the candidate's with the accepted one of the same seed. "
        "The bar bounds the candidate's mean: it passes where the bar ends before the margin."
    )
    places = [seed - baseline.first_seed for seed in recipe_gate.seeds]
    same = {key: values[places] for key, values in baseline.columns.items()}
    figure = figures.seed_strip(recipe_gate, baseline.columns, same)
    check.picture("Seeds of this run and the accepted ones", caption, figure)


def test_power_can_be_looked_at(check, recipe_gate, gate_rates):
    here = recipe_gate.comparisons[0].degradation
    text = error_rates.sentence(gate_rates)
    caption = f"{text[0].upper()}{text[1:]}. Simulated from the accepted seeds."
    check.picture("What this gate finds", caption, figures.power_curve(gate_rates, here))


def test_file_is_no_worse_than_the_accepted_one(check, file_comparison, accepted):
    check.gate("file", file_comparison.as_dict())
    check.gate("baseline", accepted)
    check.gate("rates", {"sentence": file_comparison.error_rates})
    check.all(file_comparison.verdicts())


def test_paired_counts_can_be_looked_at(check, file_comparison):
    check.picture("The file and the accepted model", PAIRED, figures.paired_table(file_comparison))


def test_newly_wrong_images_can_be_looked_at(check, file_comparison, dataset):
    figure = figures.newly_wrong(file_comparison, dataset.test_images)
    caption = "Truth, prediction and confidence; the most confident first, at most 40."
    check.picture("Newly wrong images", caption, figure)
