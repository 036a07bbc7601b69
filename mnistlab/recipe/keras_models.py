"""Keras models: recognise one, read one from a file, and say in which shape it takes an image."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError, NotJudgedError, describe_error

SAVE = "save it with model.save('model.keras')"
NEAR = 1e-4
"""How far a probability may lie outside 0 to 1 by rounding."""
FAR = 0.01
"""How far a row's sum may lie from 1 before there is no use in judging it further."""


def is_keras(model: Any) -> bool:
    """Tell whether an object is a Keras model, without importing Keras."""
    bases = type(model).__mro__
    return any(
        base.__name__ == "Model" and base.__module__.partition(".")[0] == "keras" for base in bases
    )


def keras_model(model: Any, what: str) -> Any:
    """Return a Keras model, or raise NotJudgedError that says what another lacks: «its layers»."""
    if not is_keras(model):
        raise NotJudgedError(
            f"build returns {type_name(model)}, which is no Keras model: {what} cannot be looked at"
        )
    return model


def image_shape(model: Any) -> tuple[int, ...] | None:
    """Return the shape in which a model takes an image's 784 pixels, without the batch; None if it takes others."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape[1:]):
        return None
    return shape[1:] if math.prod(shape[1:]) == 28 * 28 else None


def read_model(path: Path) -> Any:
    """Load a ``.keras`` file, or raise MnistlabError; no code that comes with it is run."""
    import keras

    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:
        text = str(error)
        if "lambda" in text.lower() and "safe" in text.lower():
            what = "holds a Lambda layer, whose code would be run, and is not loaded (safe_mode)"
            advice = "build the model without it, for instance with keras.layers.Rescaling or a layer of your own"
        elif "Could not locate" in text:
            what = f"needs a class that is not Keras's ({describe_error(error, None)})"
            advice = "register it with @keras.saving.register_keras_serializable() in a file that --pipeline names"
        else:
            what, advice = (
                f"is not a model that Keras can load ({describe_error(error, None)})",
                SAVE,
            )
        raise MnistlabError(f"{what}; {advice}") from error


def type_name(found: Any) -> str:
    """Name the type of an object for people: «a list», «sklearn MLPClassifier»."""
    name, module = type(found).__name__, type(found).__module__.partition(".")[0]
    return "None" if found is None else name if module == "builtins" else f"{module} {name}"


def are_fractions(rows: NDArray[np.float32]) -> bool:
    """Tell whether all values are within 0 to 1, but for rounding."""
    return not rows.size or bool(rows.min() >= -NEAR and rows.max() <= 1 + NEAR)


def are_probabilities(rows: NDArray[np.float32]) -> bool:
    """Tell whether rows are not far from probabilities: 0 to 1, with a sum of 1."""
    return are_fractions(rows) and bool((abs(rows.sum(axis=1) - 1) <= FAR).all())
