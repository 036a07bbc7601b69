"""What the methods of a pipeline must return. Errors name the method and what it returned."""

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
        if method == "predict" and array.ndim == 2 and 1 < array.shape[1] < shape[1]:
            required += "; has the model seen every class? If not, put its columns where its "
            required += "classes belong (model.classes_ in scikit-learn), 0 elsewhere"
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
    promised = [name for name in KERAS_FIELDS if getattr(spec, name)]
    problem = ""
    if model is None:
        problem = "None; required a model: does it end with return?"
    elif not is_keras(model):
        if promised:
            problem = f"{type_name(model)}; required a compiled keras.Model, because the spec "
            problem += f"states {', '.join(promised)}; for another model set these to None"
    elif not model.compiled and promised not in ([], ["layers"]):
        problem = f"a {type(model).__name__} model that is not compiled; call model.compile("
        problem += "optimizer=..., loss=..., metrics=[...])"
    elif not model.built:
        problem = f"a {type(model).__name__} model that has no weights yet; begin it with "
        problem += "keras.Input((28, 28)), or call it once"
    elif model.compiled and (steps := int(model.optimizer.iterations)):
        problem = f"a model that was trained for {steps} steps; required an untrained one"
    if problem:
        raise ContractError("build", f"returned {problem}")
    return model


def check_history(history: Any, model: Any) -> dict[str, Any]:
    """Return the history of ``fit`` if it is a dict whose lists have one number per epoch."""
    if not isinstance(history, dict):
        is_keras_history = isinstance(getattr(history, "history", None), dict)
        advice = "return its .history" if is_keras_history else "lists with one number per epoch"
        raise ContractError("fit", f"returned {type_name(history)}; required a dict: {advice}")
    keys = ("loss", "accuracy", "val_loss", "val_accuracy")
    lengths = {}
    for key in (key for key in keys if key in history):
        values = history[key]
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            array = np.empty(())
        if array.ndim != 1 or not array.size:
            returned = f"returned {key} = {type_name(values)} {str(values)[:60]}"
            raise ContractError("fit", f"{returned}; required a list with one number per epoch")
        if not np.isfinite(array).all():
            returned = f"returned {key} = {str(array.tolist())[:60]}, with NaN or infinity"
            advice = "is the learning rate too high, or a logarithm one of 0?"
            raise ContractError("fit", f"{returned}; {advice}")
        lengths[key] = array.size
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{count} of {key}" for key, count in lengths.items())
        problem = f"returned lists of unequal lengths, {counts}"
        raise ContractError("fit", f"{problem}; required one number per epoch in each")
    if "averaged_weights" in history:  # which model.set_weights must take
        arrays = history["averaged_weights"]
        weights = model.get_weights() if hasattr(model, "get_weights") else ()
        required = [np.shape(weight) for weight in weights]
        is_list = isinstance(arrays, list | tuple)
        shapes = [np.shape(array) for array in arrays] if is_list else type_name(arrays)
        if not required or shapes != required:
            problem = f"returned averaged_weights of shapes {shapes}"
            raise ContractError("fit", f"{problem}; required {required}, as model.get_weights()")
    return history
