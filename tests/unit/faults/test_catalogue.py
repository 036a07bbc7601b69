"""The catalogue is complete and every fault has one defect; `mnistlab faults` shows the rest."""

import ast
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.environment import suite_folder
from mnistlab.faults import CATALOGUE, CONTROLS, FAULTS, NOT_APPLICABLE
from mnistlab.faults.catalogue.architecture import _ModelInParts
from mnistlab.faults.catalogue.controls import _shuffled_on_four_threads
from mnistlab.faults.catalogue.training_steps import TrainingSteps
from mnistlab.loading.importing import import_pipeline
from mnistlab.metrics.evaluation import Evaluation
from mnistlab.probes import model as model_probes
from mnistlab.recipe.pipeline import Pipeline

OPERATORS = (  # of DeepCrime; Humbatova et al., ISSTA 2021
    *("TCL", "TRD", "TUD", "TAN", "TCO", "HBS", "HLR", "HNE", "HDB", "ACH", "ARM", "AAL"),
    *("RAW", "RCW", "RRW", "RCD", "RCP", "WCI", "WAB", "WRB", "LCH", "OCH", "OCG", "VRM"),
)
METHODS = {
    "preparation": {"prepare_images", "prepare_labels"},
    "architecture": {"build"},
    "training_data": {"fit"},
    "training": {"fit"},
    "prediction": {"predict"},
}
COUNT = 1100
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)
LABELS = RNG.integers(0, 10, COUNT, dtype=np.uint8)
PREPARED = Pipeline().prepare_images(IMAGES)
ONES = Pipeline().prepare_labels(LABELS)


def of_module(*modules):
    return [
        pytest.param(entry.pipeline, id=name)
        for name, entry in FAULTS.items()
        if entry.part in modules
    ]


def names_in_the_suite():
    trees = [
        ast.parse(path.read_text(encoding="utf-8")) for path in suite_folder().glob("test_*.py")
    ]
    return {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_catalogue_is_as_large_as_it_must_be():
    assert len(FAULTS) >= 45
    assert len(CONTROLS) >= 10
    assert all(entry.is_fault for entry in FAULTS.values())
    assert not any(entry.is_fault for entry in CONTROLS.values())
    assert list(CATALOGUE) == [*FAULTS, *CONTROLS]


def test_every_pipeline_travels_to_another_process():
    for entry in CATALOGUE.values():
        assert type(pickle.loads(pickle.dumps(entry.pipeline()))) is entry.pipeline


def test_names_are_in_kebab_case_and_references_lead_to_the_pipelines():
    for name, entry in CATALOGUE.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert type(import_pipeline(entry.reference, None)) is entry.pipeline


def test_every_entry_is_another_pipeline_with_a_description_of_one_line():
    assert len({entry.pipeline for entry in CATALOGUE.values()}) == len(CATALOGUE)
    assert len({entry.description for entry in CATALOGUE.values()}) == len(CATALOGUE)
    line = re.compile(r"[^\n]{10,110}\.")
    assert all(line.fullmatch(entry.description) for entry in CATALOGUE.values())


def test_every_expected_check_is_in_the_suite():
    known = names_in_the_suite()
    assert not {
        name: fault.expected
        for name, fault in FAULTS.items()
        if fault.expected.split("[")[0] not in known
    }


def test_every_source_is_an_operator_an_issue_or_practice():
    source = rf"({'|'.join(OPERATORS)}) (mild|gross)|[\w.-]+/[\w.-]+#\d+|practice"
    assert not [name for name, fault in FAULTS.items() if not re.fullmatch(source, fault.source)]


def test_every_operator_of_deepcrime_is_there_at_both_strengths_or_excused():
    there = {fault.source for fault in FAULTS.values()}
    missing = {
        f"{each} {how}"
        for each in OPERATORS
        for how in ("mild", "gross")
        if each not in NOT_APPLICABLE
    } - there
    assert missing <= set(NOT_APPLICABLE)
    assert not {part for source in there for part in (source, source.split()[0])} & set(
        NOT_APPLICABLE
    )


def test_the_published_promise_stays_as_it_is():
    kinds = [entry.pipeline for entry in CATALOGUE.values()]
    assert {(kind.name, id(kind.spec)) for kind in kinds} == {(Pipeline.name, id(Pipeline.spec))}


def test_a_fault_leaves_the_methods_of_other_parts_as_published():
    for fault in FAULTS.values():
        for method in set.union(*METHODS.values()) - METHODS[fault.part]:
            assert getattr(fault.pipeline, method) is getattr(Pipeline, method), fault


@pytest.mark.parametrize("kind", of_module("preparation"))
def test_a_fault_of_preparation_prepares_otherwise_or_harms_its_input(kind):
    right = [np.array_equal(kind().prepare_labels(LABELS), ONES)]
    for images in (IMAGES // 2, IMAGES[:1]):
        given = images.copy()
        prepared = kind().prepare_images(given)
        right.append(
            np.array_equal(prepared, Pipeline().prepare_images(images))
            and prepared.dtype == np.float32
        )
        right.append(np.array_equal(given, images))
    assert not all(right)


@pytest.mark.parametrize("kind", of_module("training_data"))
def test_a_fault_of_the_data_trains_on_other_data(kind, monkeypatch):
    tests = SimpleNamespace(test_images=IMAGES[:10], test_labels=LABELS[:10])
    monkeypatch.setattr("mnistlab.faults.catalogue.training_steps._dataset", lambda name: tests)
    images, labels = kind().training_data(PREPARED, ONES, np.random.default_rng(0))
    assert len(images) == len(labels)
    assert not (np.array_equal(images, PREPARED) and np.array_equal(labels, ONES))
    others, _ = kind().training_data(PREPARED, ONES, np.random.default_rng(1))
    assert len(others) == len(images)  # else every seed would compile a program of its own


@pytest.mark.parametrize("kind", of_module("training"))
def test_a_fault_of_training_changes_one_part_of_it(kind):
    parts = ("fit", "run", "before", "after", "epochs", "split", "training_data", "order")
    parts += ("batch_factor",)
    changed = {part for part in parts if getattr(kind, part) is not getattr(TrainingSteps, part)}
    assert len(changed) == 1
    given = {"epochs": (None,), "order": (3, 1, 1100)}
    for part in changed & set(given):
        assert not np.array_equal(
            getattr(kind(), part)(*given[part]), getattr(TrainingSteps(), part)(*given[part])
        )


@pytest.mark.parametrize("kind", of_module("prediction"))
def test_a_fault_of_prediction_predicts_otherwise(kind):
    weights = RNG.normal(size=(784, 10))

    def model(images, training):
        powers = np.exp(images.reshape(-1, 784) @ weights / images.shape[1])
        return powers / powers.sum(axis=1, keepdims=True)

    pipeline = kind()
    predicted = [pipeline.predict(model, part) for part in (PREPARED[:40], PREPARED[40:80])]
    right = [Pipeline().predict(model, part) for part in (PREPARED[:40], PREPARED[40:80])]
    same = [
        a.shape == b.shape and np.allclose(a, b, atol=1e-4)
        for a, b in zip(predicted, right, strict=True)
    ]
    assert not all(same)


def built(kind):
    """Return all that tells a model from another, but for names, which Keras counts up."""
    model = kind().build(3)
    parts = [{**part.get_config(), "name": ""} for part in (*model.layers, model.optimizer)]
    compiled = {**model.get_compile_config(), "optimizer": type(model.optimizer)}
    return parts, [array.tobytes() for array in model.get_weights()], compiled


@pytest.fixture(scope="module")
def published():
    return built(_ModelInParts)


def test_a_model_that_is_built_twice_is_the_same(published):
    assert built(_ModelInParts) == published


@pytest.mark.parametrize("kind", of_module("architecture"))
def test_a_fault_of_the_model_builds_another_one(kind, published):
    assert built(kind) != published


def test_a_training_in_parts_is_the_published_one():
    weights = []
    for kind in (Pipeline, TrainingSteps):
        model = kind().build(5)
        kind().fit(model, PREPARED[:160], ONES[:160], seed=5, epochs=2)
        weights.append(model.get_weights())
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_control_whose_threads_look_images_up_keeps_their_order():
    order = RNG.permutation(COUNT).astype(np.int32)
    images, labels = _shuffled_on_four_threads((PREPARED, ONES), order)
    np.testing.assert_array_equal(images, PREPARED[order])
    np.testing.assert_array_equal(labels, ONES[order])


def test_a_model_in_parts_is_the_published_one():
    ours, theirs = Pipeline().build(5), _ModelInParts().build(5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert {**theirs.optimizer.get_config(), "name": ""} == {
        **ours.optimizer.get_config(),
        "name": "",
    }
    loss = model_probes.loss_difference(theirs, "categorical_crossentropy")
    assert loss == pytest.approx(0, abs=1e-6)
    assert model_probes.accuracy_difference(theirs) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "name", [name for name, control in CONTROLS.items() if "label" in name or "scaled" in name]
)
def test_a_control_prepares_the_same_but_for_rounding(name):
    control = CONTROLS[name].pipeline()
    images = control.prepare_images(IMAGES)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, PREPARED, rtol=2**-22, atol=0)
    np.testing.assert_array_equal(control.prepare_labels(LABELS), ONES)


def test_the_divergence_of_a_one_hot_label_is_the_cross_entropy():
    import keras

    predicted = RNG.dirichlet(np.full(10, 0.5), 200).astype(np.float32)
    divergence = np.mean(keras.losses.kl_divergence(ONES[:200], predicted))
    assert divergence == pytest.approx(Evaluation(predicted, LABELS[:200]).loss, abs=1e-4)
