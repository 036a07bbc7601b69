"""The study's recipes differ as they say, and its simulations decide obvious cases rightly."""

import gate_study
import numpy as np
import pytest
import study_gates
import study_page
import weakened
from study_gates import Study, below_97, gates, mcnemar_rate, welch, worse_gates, worst_miss
from weakened import HEALTHY, ONE_THREAD, RECIPES, STREAMED

from mnistlab.gate import AcceptedSeeds
from mnistlab.recipe import PUBLISHED

WORSE = "tanh"
KEYS = {
    "averaged accuracy": (0.979, 0.0008),
    "averaged loss": (0.07, 0.002),
    "final accuracy": (0.975, 0.002),
    "final loss": (0.083, 0.006),
}


@pytest.fixture(scope="module")
def study():
    """Return 96 normal seeds, matched and independent candidates, and one that is worse."""
    rng = np.random.default_rng(0)
    columns = {key: rng.normal(mean, sd, 96) for key, (mean, sd) in KEYS.items()}

    def matched(count):
        noise = {key: rng.normal(0, 0.2 * sd, count) for key, (_, sd) in KEYS.items()}
        return {key: columns[key][:count] + noise[key] for key in KEYS}

    accepted = AcceptedSeeds(columns, matched(16), tuple(range(96)), ("",) * 96)
    worse = matched(24)
    worse["averaged accuracy"] -= 0.004
    independent = {key: rng.normal(mean, sd, 48) for key, (mean, sd) in KEYS.items()}
    recipes = {ONE_THREAD: matched(48), STREAMED: independent, WORSE: worse}
    wrong = {name: np.zeros((3, 100), bool) for name in recipes}
    wrong[WORSE][:, :20] = True
    return Study(accepted, recipes, wrong, [4.0, 4.1])


@pytest.fixture
def calls(monkeypatch):
    """Return what `train` and the published `fit` are called with, in place of a training."""
    recorded = []
    monkeypatch.setattr(weakened, "train", lambda *given: recorded.append(given))
    fit = lambda *given, **named: recorded.append((given, named))  # noqa: E731
    monkeypatch.setattr(weakened.Pipeline, "fit", fit)
    return recorded


def test_every_recipe_is_healthy_or_differs_from_the_published_one():
    assert set(HEALTHY) < set(RECIPES)
    assert RECIPES[ONE_THREAD]().spec == PUBLISHED
    assert RECIPES["4 epochs"]().spec.epochs == 4
    assert RECIPES["batch 64"]().spec.batch_size == 64
    assert RECIPES["tanh"]().activation == "tanh"
    assert RECIPES["learning rate 0.002"]().learning_rate == 0.002


def test_less_data_trains_on_the_first_part_and_validates_on_the_same_images(calls):
    images, labels = np.arange(100), np.arange(100)
    RECIPES["75 % of the data"]().fit(None, images, labels, seed=3)
    _, training, validation, orders, batch = calls[0]
    assert np.array_equal(training[0], np.arange(60))
    assert np.array_equal(validation[0], np.arange(80, 100))
    assert all(sorted(order) == list(range(60)) for order in orders)
    assert (len(orders), batch) == (PUBLISHED.epochs, PUBLISHED.batch_size)


def test_one_label_of_a_hundred_is_wrong(calls):
    labels = np.eye(10, dtype=np.float32)[np.arange(20_000) % 10]
    RECIPES["1 % wrong labels"]().fit(None, labels, labels, seed=3)
    given = calls[0][0][3]
    assert 0.007 < (given != labels).any(axis=1).mean() < 0.013
    assert np.array_equal(given.sum(axis=1), np.ones(20_000))


def test_other_streams_train_another_seed(calls):
    RECIPES[STREAMED]().fit(None, None, None, seed=3)
    assert calls[0][1]["seed"] == 3 + weakened.STREAMS


def test_healthy_recipes_pass_and_matched_ones_need_fewer_seeds(study):
    plan = study.plan(0.001)
    matched, independent = (gates(study, name, plan, 200) for name in (ONE_THREAD, STREAMED))
    assert matched.passed.all()
    assert independent.passed.mean() > 0.95
    assert matched.seeds.mean() < 7 < independent.seeds.mean()


def test_a_worse_recipe_fails(study):
    outcome = gates(study, WORSE, study.plan(0.001), 200)
    assert outcome.failed.all()
    assert outcome.seeds.mean() < 8


@pytest.mark.parametrize("name", HEALTHY)
def test_a_larger_drop_is_found_more_often(study, name, monkeypatch):
    monkeypatch.setattr(study_gates, "FEW_GATES", 400)
    plan = study.plan(0.001)
    found = [(~worse_gates(study, name, plan, drop).passed).mean() for drop in (0, 0.001, 0.002)]
    assert found[0] < 0.05
    assert 0.95 < found[1] <= found[2] == 1


def test_a_loss_of_one_margin_passes_more_often_with_a_wider_spread(study, monkeypatch):
    monkeypatch.setattr(study_gates, "FEW_GATES", 1000)
    plan = study.plan(0.001)
    usual, wider = (worst_miss(study, STREAMED, plan, widen)[0] for widen in (1.0, 2.0))
    assert usual < 25
    assert wider > usual


def test_an_interval_over_trainings_contains_the_estimate(study, monkeypatch):
    monkeypatch.setattr(study_gates, "GATES_OF_EACH", 20)
    plan = study.plan(0.001)
    low, high = study_gates.interval(study, STREAMED, plan)["seeds"]
    assert low < gates(study, STREAMED, plan, 200).seeds.mean() < high


def test_welchs_gate_passes_healthy_recipes_from_8_seeds_on_and_finds_a_worse_one(study):
    plan = study.plan(0.001)
    passed, seeds = welch(study, STREAMED, plan)
    assert passed.mean() > 0.9
    assert seeds.min() == 8
    assert not welch(study, WORSE, plan)[0].any()


def test_mcnemar_calls_worse_what_errs_on_more_images(study):
    assert [mcnemar_rate(study, name) for name in (ONE_THREAD, STREAMED, WORSE)] == [0, 0, 1]


def test_a_bare_threshold_counts_trainings_below_97_percent(study):
    assert below_97(study, STREAMED) == np.mean(study.recipes[STREAMED]["final accuracy"] < 0.97)


def test_a_table_is_replaced_between_its_comments():
    text = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n"
    new = text.replace("old", "new")
    assert study_page.replace_table(text, "x", "new") == new
    assert study_page.replace_table(new, "x", "new") == new


@pytest.mark.parametrize("name", ["matching", "averaging"])
def test_the_committed_tables_are_those_of_the_kept_trainings(name):
    study = study_gates.load(gate_study.DATA, gate_study.BASELINE)
    text = (study_page.DOCS / "statistics.md").read_text("utf-8")
    assert study_page.replace_table(text, name, getattr(study_page, name)(study)) == text


def test_the_page_is_short_enough_to_be_read():
    assert len((study_page.DOCS / "statistics.md").read_text("utf-8").splitlines()) <= 200
