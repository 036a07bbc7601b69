"""What the methods of a pipeline must return. Errors name the method and what it returned."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mnistlab.arrays import Floats
from mnistlab.errors import ContractError, type_name
from mnistlab.recipe import KERAS_FIELDS, Spec, identify_output, is_keras


def check_array(method: str, array: Any, shape: tuple[int, ...]) -> Floats:
    """Return an array that is float32, finite and of this shape; else raise ContractError."""
    item = "label" if method == "prepare_labels" else "image"
    items = f"{shape[0]} {item}" if shape[0] == 1 else f"{shape[0]} {item}s"
    required = f"for {items}; required float32 {shape}"
    if not isinstance(array, np.ndarray):
        raise ContractError(method, f"returned {type_name(array)} {required}, a numpy.ndarray")
    if array.dtype != np.float32 or array.shape != shape:
        raise ContractError(method, f"returned {array.dtype} {array.shape} {required}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).sum())
        advice = "look for a division by zero, or for weights that diverged"
        raise ContractError(method, f"returned NaN or infinity for {bad} of {items}; {advice}")
    return array


def check_probabilities(rows: Floats) -> Floats:
    """Return the rows of ``predict`` if they are probabilities but for rounding."""
    output = identify_output(rows)
    if output == "probabilities":
        return rows
    advice = {
        "log probabilities": "apply numpy.exp in predict",
        "logits": "end the model with keras.layers.Softmax(), or apply a softmax in predict",
        "unknown": "required 0 to 1 in rows that sum to 1; is the output a softmax?",
    }
    sums = rows.sum(axis=1)
    values = f"values from {rows.min():.3g} to {rows.max():.3g}"
    span = f"{values} in rows that sum to {sums.min():.3g} to {sums.max():.3g}"
    name = "" if output == "unknown" else f" ({output})"
    raise ContractError("predict", f"returned {span}{name}, not probabilities; {advice[output]}")


def check_model(model: Any, spec: Spec) -> Any:
    """Return the model of ``build`` if it can be trained and checked against the spec."""
    if model is None:
        raise ContractError("build", "returned None; required a model: does it end with return?")
    if not is_keras(model):
        if promised := [name for name in KERAS_FIELDS if getattr(spec, name)]:
            required = f"because the spec states {', '.join(promised)}"
            advice = "for another model set these to None"
            problem = f"returned {type_name(model)}; required a compiled keras.Model"
            raise ContractError("build", f"{problem}, {required}; {advice}")
        return model
    name = type(model).__name__
    if not model.compiled:
        advice = "call model.compile(optimizer=..., loss=..., metrics=[...])"
        raise ContractError("build", f"returned a {name} model that is not compiled; {advice}")
    if not model.built:
        advice = "begin it with keras.Input((28, 28)), or call it once"
        raise ContractError("build", f"returned a {name} model that has no weights yet; {advice}")
    if steps := int(model.optimizer.iterations):
        problem = f"returned a model that was trained for {steps} steps"
        raise ContractError("build", f"{problem}; required an untrained one")
    return model


def check_history(history: Any, model: Any, spec: Spec) -> dict[str, Any]:
    """Return the history of ``fit`` if it has the lists by which the spec is judged."""
    if not isinstance(history, dict):
        is_keras_history = isinstance(getattr(history, "history", None), dict)
        advice = "return its .history" if is_keras_history else "lists with one number per epoch"
        raise ContractError("fit", f"returned {type_name(history)}; required a dict: {advice}")
    stated = {"loss": spec.loss, "accuracy": spec.metric}
    required = [key for key, promise in stated.items() if promise]
    required += [f"val_{key}" for key in required if spec.validation_split]
    missing = ", ".join(key for key in required if key not in history)
    if missing:
        keys = ", ".join(map(str, history)) or "none"
        raise ContractError("fit", f"returned a dict without {missing}; its keys: {keys}")
    lists = [key for key in ("loss", "accuracy", "val_loss", "val_accuracy") if key in history]
    lengths = {key: _length_of(key, history[key]) for key in lists}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{count} of {key}" for key, count in lengths.items())
        required_lengths = "required one number per epoch in each"
        raise ContractError(
            "fit", f"returned lists of unequal lengths, {counts}; {required_lengths}"
        )
    if "averaged_weights" in history:
        _check_averaged(history["averaged_weights"], model)
    return history


def _length_of(key: str, values: Any) -> int:
    """Return how many epochs a list of the history has."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(())
    if array.ndim != 1 or isinstance(values, Mapping) or not array.size:
        returned = f"returned {key} = {type_name(values)} {str(values)[:60]}"
        raise ContractError("fit", f"{returned}; required a list with one number per epoch")
    if not np.isfinite(array).all():
        returned = f"returned {key} = {str(array.tolist())[:60]}, with NaN or infinity"
        advice = "is the learning rate too high, or a logarithm one of 0?"
        raise ContractError("fit", f"{returned}; {advice}")
    return array.size


def _check_averaged(arrays: Any, model: Any) -> None:
    """Refuse averaged weights that ``model.set_weights`` would not take."""
    if not hasattr(model, "get_weights"):
        problem = f"returned averaged_weights for {type_name(model)}, which has no set_weights"
        raise ContractError("fit", problem)
    required = [np.shape(weight) for weight in model.get_weights()]
    is_list = isinstance(arrays, list | tuple)
    shapes = [np.shape(array) for array in arrays] if is_list else type_name(arrays)
    if shapes != required:
        problem = f"returned averaged_weights of shapes {shapes}"
        raise ContractError("fit", f"{problem}; required {required}, as model.get_weights()")
