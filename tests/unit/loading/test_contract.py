"""What a pipeline must not return or raise is named with its method, in one line.

Nothing here needs TensorFlow.
"""

import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.errors import ContractError, NotJudgedError
from mnistlab.loading.checked_pipeline import CheckedPipeline
from mnistlab.loading.contract import check_array
from mnistlab.recipe import Spec, is_keras, require_keras_model

IMAGES = np.zeros((3, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 4, 9], dtype=np.uint8)
PREPARED = np.zeros((3, 28, 28), dtype=np.float32)
ONE_HOT = np.eye(10, dtype=np.float32)[LABELS]
EVEN = np.full((3, 10), 0.1, dtype=np.float32)
LOGITS = np.random.default_rng(0).normal(size=(3, 10)).astype(np.float32)
TRAINING = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.7]}
HISTORY = {**TRAINING, "val_loss": [1.0, 0.6], "val_accuracy": [0.6, 0.8]}
KERAS_HISTORY = type(
    "History", (), {"__module__": "keras.src.callbacks.history", "history": HISTORY}
)()


class _Model:
    """Looks like Keras's."""

    __module__, __qualname__ = "keras.src.models.model", "Model"
    compiled = built = True

    def __init__(self, steps=0):
        self.optimizer = SimpleNamespace(iterations=steps)

    def get_weights(self):
        return [np.zeros((2, 3)), np.zeros(3)]


_Model.__name__ = "Model"


class _Uncompiled(_Model):
    __module__ = "keras.src.models.sequential"
    compiled = False


class _Empty(_Model):
    built = False


class _Fake:
    """A pipeline whose methods return what they are told to, or raise it."""

    spec = Spec(bounds=())

    def __init__(self, **returned):
        self.returned = {
            "prepare_images": PREPARED,
            "prepare_labels": ONE_HOT,
            "build": _Model(),
            "fit": HISTORY,
            "predict": EVEN,
            **returned,
        }

    def _answer(self, method):
        answer = self.returned[method]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def prepare_images(self, images):
        return self._answer("prepare_images")

    def prepare_labels(self, labels):
        return self._answer("prepare_labels")

    def build(self, seed):
        return self._answer("build")

    def fit(self, model, images, labels, *, seed, epochs=None):
        return self._answer("fit")

    def predict(self, model, images):
        return self._answer("predict")


CALLS = {
    "prepare_images": lambda subject: subject.prepare_images(IMAGES),
    "prepare_labels": lambda subject: subject.prepare_labels(LABELS),
    "build": lambda subject: subject.build(0),
    "fit": lambda subject: subject.fit(_Model(), PREPARED, ONE_HOT, seed=0),
    "predict": lambda subject: subject.predict(_Model(), PREPARED),
}


def said(method, returned, spec=_Fake.spec):
    with pytest.raises(ContractError, match=f"^{method} ") as caught:
        CALLS[method](CheckedPipeline(_Fake(**{method: returned}), spec))
    assert caught.value.method == method
    assert "\n" not in str(caught.value)
    return str(caught.value)


MISBEHAVIOUR = [
    (
        "prepare_images",
        None,
        "returned None for 3 images; required float32 (3, 28, 28), a numpy.ndarray",
    ),
    (
        "prepare_images",
        PREPARED.tolist(),
        "returned list for 3 images; required float32 (3, 28, 28)",
    ),
    (
        "prepare_images",
        PREPARED.astype(float),
        "returned float64 (3, 28, 28) for 3 images; required float32",
    ),
    (
        "prepare_images",
        PREPARED[..., None],
        "returned float32 (3, 28, 28, 1) for 3 images; required float32 (3, 28",
    ),
    (
        "prepare_images",
        PREPARED[1:],
        "returned float32 (2, 28, 28) for 3 images; required float32 (3, 28, 28)",
    ),
    (
        "prepare_images",
        PREPARED / np.float32("nan"),
        "returned NaN or infinity for 3 of 3 images; look for a division",
    ),
    ("prepare_labels", LABELS, "returned uint8 (3,) for 3 labels; required float32 (3, 10)"),
    (
        "prepare_labels",
        np.eye(11, dtype=np.float32)[LABELS],
        "returned float32 (3, 11) for 3 labels; required float32",
    ),
    (
        "prepare_labels",
        ONE_HOT.astype(int),
        "returned int64 (3, 10) for 3 labels; required float32 (3, 10)",
    ),
    ("build", None, "returned None; required a model: does it end with return?"),
    (
        "build",
        SimpleNamespace(),
        "returned types SimpleNamespace; required a compiled keras.Model, because the spec states",
    ),
    (
        "build",
        _Uncompiled(),
        "returned a _Uncompiled model that is not compiled; call model.compile(optimizer=..., ",
    ),
    (
        "build",
        _Empty(),
        "returned a _Empty model that has no weights yet; begin it with keras.Input((28, 28)), or",
    ),
    (
        "build",
        _Model(steps=7),
        "returned a model that was trained for 7 steps; required an untrained one",
    ),
    ("fit", None, "returned None; required a dict: lists with one number per epoch"),
    ("fit", KERAS_HISTORY, "returned keras History; required a dict: return its .history"),
    (
        "fit",
        {**HISTORY, "loss": [1.0]},
        "returned lists of unequal lengths, 1 of loss, 2 of accuracy, 2 of val_loss",
    ),
    (
        "fit",
        {**HISTORY, "loss": 0.5},
        "returned loss = float 0.5; required a list with one number per epoch",
    ),
    (
        "fit",
        {**HISTORY, "loss": [2.5, math.nan]},
        "returned loss = [2.5, nan], with NaN or infinity; is the learning",
    ),
    (
        "fit",
        {**HISTORY, "val_loss": [0.5, -math.inf]},
        "returned val_loss = [0.5, -inf], with NaN or infinity",
    ),
    (
        "fit",
        {**HISTORY, "loss": []},
        "returned loss = list []; required a list with one number per epoch",
    ),
    (
        "fit",
        {**HISTORY, "accuracy": ["high", "low"]},
        "returned accuracy = list ['high', 'low']; required a list with one number",
    ),
    (
        "fit",
        {**HISTORY, "averaged_weights": [np.zeros(3)]},
        "returned averaged_weights of shapes [(3,)]; required [(2,",
    ),
    (
        "fit",
        {**HISTORY, "averaged_weights": 1.0},
        "returned averaged_weights of shapes float; required [(2, 3), (3,)]",
    ),
    ("predict", None, "returned None for 3 images; required float32 (3, 10), a numpy.ndarray"),
    ("predict", EVEN[:2], "returned float32 (2, 10) for 3 images; required float32 (3, 10)"),
    (
        "predict",
        EVEN.astype(float),
        "returned float64 (3, 10) for 3 images; required float32 (3, 10)",
    ),
    (
        "predict",
        EVEN[:, :7],
        "returned float32 (3, 7) for 3 images; required float32 (3, 10); has the model seen every",
    ),
    ("predict", EVEN.argmax(axis=1), "returned int64 (3,) for 3 images; required float32 (3, 10)"),
    (
        "predict",
        EVEN * np.float32("inf"),
        "returned NaN or infinity for 3 of 3 images; look for a division by zero, or",
    ),
    (
        "predict",
        LOGITS,
        " (logits), not probabilities; end the model with keras.layers.Softmax(), or apply",
    ),
    (
        "predict",
        0 * EVEN,
        "returned values from 0 to 0 in rows that sum to 0 to 0, not probabilities; required",
    ),
    (
        "predict",
        EVEN + np.eye(3, 10, dtype=np.float32) - np.eye(3, 10, 1, dtype=np.float32),
        "is the output a softmax?",
    ),
    (
        "predict",
        np.log(EVEN),
        "(log probabilities), not probabilities; apply numpy.exp in predict",
    ),
]


@pytest.mark.parametrize(("method", "returned", "message"), MISBEHAVIOUR)
def test_what_a_method_must_not_return_is_named(method, returned, message):
    assert message in said(method, returned)


@pytest.mark.parametrize(("method", "item"), [("predict", "image"), ("prepare_labels", "label")])
def test_one_image_is_named_as_one(method, item):
    with pytest.raises(ContractError, match=f"for 1 {item}; required"):
        check_array(method, None, (1, 10))


def test_the_documented_messages_are_those_that_are_said():
    def bare(message):  # of numbers, and of what the pipeline itself names
        message = re.sub(r"(?<=returned a )\w+(?= model)|(?<=\()\w+\.py|\[.*?\]", "_", message)
        message = re.sub(r"(?<=\d )(image|label)s?", r"\1s", message)
        return re.sub(r"(?<![A-Za-z\d.])-?\d+(\.\d+)?", "_", message)

    others = [(method, RuntimeError("out of coffee"), "") for method in CALLS]
    real = [bare(said(method, returned)) for method, returned, _ in MISBEHAVIOUR + others]
    text = (Path(__file__).parents[3] / "docs" / "own.md").read_text(encoding="utf-8")
    documented = [
        bare(each) for each in re.findall(rf"\| `((?:{'|'.join(CALLS)}) r[^`]+)` \|", text)
    ]
    assert len(documented) >= 20
    assert [each for each in documented if each not in real] == []


@pytest.mark.parametrize("method", CALLS)
def test_an_error_inside_a_method_is_named_with_the_line_that_raised_it(method):
    message = said(method, ValueError("no\nsuch  thing"))
    assert message.startswith(f"{method} raised ValueError: no such thing (test_contract.py, line ")


@pytest.mark.parametrize(
    "write", [lambda array: array.sort(axis=0), lambda array: array.__imul__(2)]
)
def test_writing_to_an_array_that_is_read_only_is_named_for_what_it_is(write):
    class Writes(_Fake):
        def fit(self, model, images, labels, *, seed, epochs=None):
            write(images)

    images = PREPARED.copy()
    images.setflags(write=False)
    with pytest.raises(
        ContractError,
        match=r"^fit writes to an array that it was given; copy it first: ValueError: ",
    ):
        CheckedPipeline(Writes(), _Fake.spec).fit(_Model(), images, ONE_HOT, seed=0)


def test_leaving_the_program_is_an_error_too_and_an_interruption_is_none():
    assert said("fit", SystemExit(3)).startswith("fit raised SystemExit: 3 (")
    with pytest.raises(KeyboardInterrupt, match="now"):
        CALLS["fit"](CheckedPipeline(_Fake(fit=KeyboardInterrupt("now")), _Fake.spec))


def test_a_long_message_is_cut():
    assert len(said("fit", ValueError("x" * 5000))) < 300


@pytest.mark.parametrize("method", CALLS)
def test_what_a_method_must_return_is_handed_on_as_it_is(method):
    pipeline = _Fake()
    assert CALLS[method](CheckedPipeline(pipeline, _Fake.spec)) is pipeline.returned[method]


@pytest.mark.parametrize("wrong", [PREPARED, IMAGES[0], IMAGES[:, 1:]])
def test_what_is_no_image_is_the_pipelines_own_to_refuse(wrong):
    with pytest.raises(ValueError, match=r"^its own words$"):
        CheckedPipeline(
            _Fake(prepare_images=ValueError("its own words")), _Fake.spec
        ).prepare_images(wrong)


@pytest.mark.parametrize("wrong", [LABELS[:, None], LABELS + 1, LABELS.astype(float)])
def test_what_is_no_label_is_the_pipelines_own_to_refuse(wrong):
    with pytest.raises(ValueError, match=r"^its own words$"):
        CheckedPipeline(
            _Fake(prepare_labels=ValueError("its own words")), _Fake.spec
        ).prepare_labels(wrong)


def test_of_a_spec_that_promises_nothing_of_keras_the_model_may_be_anything():
    spec = Spec(layers=None, optimizer=None, learning_rate=None, loss=None, metric=None)
    thing, subject = object(), CheckedPipeline(_Fake(fit={}), spec)
    assert CheckedPipeline(_Fake(build=thing), spec).build(0) is thing
    assert subject.fit(thing, PREPARED, ONE_HOT, seed=0) == {}


@pytest.mark.parametrize("history", [{}, TRAINING, {"val_loss": [0.5]}])
def test_a_history_need_not_have_every_list(history):
    subject = CheckedPipeline(_Fake(fit=history), _Fake.spec)
    assert subject.fit(_Model(), PREPARED, ONE_HOT, seed=0) is history


def test_a_keras_model_need_not_be_compiled_if_nothing_of_that_is_promised():
    spec = replace(_Fake.spec, optimizer=None, learning_rate=None, loss=None, metric=None)
    model = _Uncompiled()
    del model.optimizer
    assert CheckedPipeline(_Fake(build=model), spec).build(0) is model


def test_only_kerass_own_models_are_looked_into():
    assert is_keras(_Model())
    assert not is_keras(SimpleNamespace())
    with pytest.raises(
        NotJudgedError,
        match=r"^build returns types SimpleNamespace, which is not a Keras model: its layers",
    ):
        require_keras_model(SimpleNamespace(), "its layers")
