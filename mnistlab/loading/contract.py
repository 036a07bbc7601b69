"""What each method of a pipeline must return: checks that name the method and what it returned instead."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import ContractError
from mnistlab.recipe import Spec, are_fractions, are_probabilities, is_keras, type_name
from mnistlab.recipe.keras_models import FAR, NEAR

CLASSES = 10
KERAS_FIELDS = ("layers", "optimizer", "learning_rate", "loss", "metric")
"""Fields of a spec that only a Keras model can keep."""


def check_array(method: str, found: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return what a method returned if it is float32 of this shape, and finite; else raise ContractError."""
    items = f"{shape[0]} {'label' if method == 'prepare_labels' else 'image'}{'s' if shape[0] != 1 else ''}"
    required = f"for {items}; required float32 {shape}"
    if not isinstance(found, np.ndarray):
        raise ContractError(method, f"returned {type_name(found)} {required}, a numpy.ndarray")
    if found.dtype != np.float32 or found.shape != shape:
        raise ContractError(method, f"returned {found.dtype} {found.shape} {required}")
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).reshape(len(found), -1).any(axis=1).sum())
        advice = "look for a division by zero, or for weights that diverged"
        raise ContractError(method, f"returned NaN or infinity for {bad} of {items}; {advice}")
    return found


def check_probabilities(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows of ``predict`` unless they are far from probabilities; near them is a test's business."""
    if are_probabilities(found):
        return found
    sums = found.sum(axis=1)
    span = f"values from {found.min():.3g} to {found.max():.3g} in rows that sum to {sums.min():.3g} to {sums.max():.3g}"
    what, advice = "", "required 0 to 1 in rows that sum to 1; is the output a softmax?"
    if found.max() <= NEAR and np.allclose(np.exp(found).sum(axis=1), 1, atol=FAR):
        what, advice = ": logarithms of probabilities", "apply numpy.exp in predict"
    elif not are_fractions(found) and (abs(sums - 1) > FAR).any():
        what, advice = (
            ": logits",
            "end the model with a softmax (keras.layers.Softmax()), or apply one in predict",
        )
    raise ContractError("predict", f"returned {span}{what}, not probabilities; {advice}")


def check_model(found: Any, spec: Spec) -> Any:
    """Return what ``build`` returned if it is a model that can be trained and that its spec can be held against."""
    if found is None:
        raise ContractError("build", "returned None; required a model: does it end with return?")
    promised = [name for name in KERAS_FIELDS if getattr(spec, name)]
    if not is_keras(found):
        if promised:
            what = f"required a compiled keras.Model, for the spec promises {', '.join(promised)}"
            raise ContractError(
                "build", f"returned {type_name(found)}; {what}; of another model state them as None"
            )
        return found
    if not found.compiled:
        advice = "call model.compile(optimizer=..., loss=..., metrics=[...])"
        raise ContractError(
            "build", f"returned a {type(found).__name__} model that is not compiled; {advice}"
        )
    if not found.built:
        advice = "begin it with keras.Input((28, 28)), or call it once"
        raise ContractError(
            "build", f"returned a {type(found).__name__} model that has no weights yet; {advice}"
        )
    steps = int(found.optimizer.iterations)
    if steps:
        raise ContractError(
            "build",
            f"returned a model that was trained for {steps} steps; required an untrained one",
        )
    return found


def check_history(found: Any, model: Any, spec: Spec) -> dict[str, Any]:
    """Return what ``fit`` returned if it is a history with the lists that the spec's promises are judged by."""
    if not isinstance(found, dict):
        advice = (
            "return its .history"
            if isinstance(getattr(found, "history", None), dict)
            else "of lists, one an epoch"
        )
        raise ContractError("fit", f"returned {type_name(found)}; required a dict: {advice}")
    required = [
        key for key, promised in (("loss", spec.loss), ("accuracy", spec.metric)) if promised
    ]
    required += [f"val_{key}" for key in required if spec.validation_split]
    missing = [key for key in required if key not in found]
    if missing:
        keys = ", ".join(map(str, found)) or "none"
        raise ContractError(
            "fit", f"returned a dict without {', '.join(missing)}; its keys: {keys}"
        )
    lengths = {}
    for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
        if key in found:
            lengths[key] = _length_of(key, found[key])
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{count} of {key}" for key, count in lengths.items())
        raise ContractError(
            "fit", f"returned lists of unequal lengths, {counts}; required a number an epoch"
        )
    if "averaged_weights" in found:
        _check_averaged(found["averaged_weights"], model)
    return found


def _length_of(key: str, values: Any) -> int:
    """Return how many epochs a list of the history has."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(())
    if array.ndim != 1 or isinstance(values, Mapping) or not array.size:
        raise ContractError(
            "fit",
            f"returned {key} = {type_name(values)} {str(values)[:60]}; required a number an epoch",
        )
    if not np.isfinite(array).all():
        advice = "is the learning rate too high, or a logarithm one of 0?"
        raise ContractError(
            "fit", f"returned {key} = {str(array.tolist())[:60]}, with NaN or infinity; {advice}"
        )
    return array.size


def _check_averaged(arrays: Any, model: Any) -> None:
    """Refuse averaged weights that the model could not take."""
    if not hasattr(model, "get_weights"):
        raise ContractError(
            "fit", f"returned averaged_weights for {type_name(model)}, which has no set_weights"
        )
    required = [np.shape(weight) for weight in model.get_weights()]
    got = (
        [np.shape(array) for array in arrays]
        if isinstance(arrays, list | tuple)
        else type_name(arrays)
    )
    if got != required:
        raise ContractError(
            "fit", f"returned averaged_weights of shapes {got}; required {required}, as get_weights"
        )
