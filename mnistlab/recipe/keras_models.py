"""Keras models: recognise one, read one from a file, and see what it takes and returns."""

import math
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mnistlab.arrays import PIXELS, Floats
from mnistlab.errors import MnistlabError, NotJudgedError, describe_error, type_name

ROUNDING = 1e-4  # how far rounding may take a probability outside 0 to 1
SUM_TOLERANCE = 0.01
"""How far the sum of a row may be from 1 before the row cannot be meant as probabilities."""
_SAVE = "save it with model.save('model.keras')"


def is_keras(model: Any) -> bool:
    """Tell whether an object is a Keras model, without importing Keras."""
    bases = ((base.__name__, base.__module__.partition(".")[0]) for base in type(model).__mro__)
    return ("Model", "keras") in bases


def require_keras_model(model: Any, what: str) -> Any:
    """Return a Keras model; else raise NotJudgedError about `what`, such as "its layers"."""
    if not is_keras(model):
        reason = f"build returns {type_name(model)}, which is not a Keras model"
        raise NotJudgedError(f"{reason}: {what} cannot be measured")
    return model


def require_compiled_model(model: Any, what: str) -> Any:
    """Return a Keras model if it is compiled, else raise NotJudgedError."""
    if not require_keras_model(model, what).compiled:
        raise NotJudgedError(f"the model is not compiled: {what} cannot be measured")
    return model


def input_shape_of(model: Any) -> tuple[int, ...] | None:
    """Return the shape in which a model takes one image of 784 pixels; None if it takes others."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape[1:]):
        return None
    return shape[1:] if math.prod(shape[1:]) == PIXELS else None


def identify_output(
    rows: Floats,
) -> Literal["probabilities", "log probabilities", "logits", "unknown"]:
    """Tell from their values, shape (N, 10), what the outputs of a model are."""
    sums = rows.sum(axis=1)
    sum_to_1 = bool((abs(sums - 1) <= SUM_TOLERANCE).all())
    in_range = not rows.size or bool(rows.min() >= -ROUNDING and rows.max() <= 1 + ROUNDING)
    if in_range and sum_to_1:
        return "probabilities"
    if rows.max() <= ROUNDING and np.allclose(np.exp(rows).sum(axis=1), 1, atol=SUM_TOLERANCE):
        return "log probabilities"
    return "unknown" if in_range or sum_to_1 else "logits"


def read_model(path: Path) -> Any:
    """Load a ``.keras`` file without running code in it; MnistlabError says what to do if not."""
    _check_format(path)
    import keras

    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:
        text = str(error)
        problem, advice = f"is not a model that Keras can load ({describe_error(error)})", _SAVE
        if "lambda" in text.lower() and "safe" in text.lower():
            problem = "contains a Lambda layer, whose code would run, and is not loaded (safe_mode)"
            advice = "use another layer, such as keras.layers.Rescaling or a class of your own"
        elif "Could not locate" in text:
            problem = f"needs a class that Keras does not have ({describe_error(error)})"
            decorator = "@keras.saving.register_keras_serializable()"
            advice = f"register the class with {decorator} in the file that --pipeline names"
        raise MnistlabError(f"{problem}; {advice}") from error


def _check_format(path: Path) -> None:
    if (path / "saved_model.pb").exists():
        advice = "or wrap it in keras.layers.TFSMLayer in the build of a --pipeline"
        problem = "a SavedModel folder, which Keras 3 cannot load as a model"
        raise MnistlabError(f"{problem}; if you have the Keras model, {_SAVE}; {advice}")
    if path.is_dir():
        raise MnistlabError("a folder; required a .keras file")
    if not path.is_file():
        raise MnistlabError("there is no such file")
    if path.suffix in (".h5", ".hdf5"):
        convert = f"keras.models.load_model({path.name!r}).save({path.stem + '.keras'!r})"
        raise MnistlabError(f"HDF5 is Keras's old format; if you trust it, convert it: {convert}")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise MnistlabError(f"not a .keras file, which is a zip archive; {_SAVE}")
