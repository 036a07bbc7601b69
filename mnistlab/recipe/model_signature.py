"""Tells whether two compiled Keras models are trained by one program: the same but for weights, seeds and names."""

import json
import warnings
from collections.abc import Iterable
from typing import Any

# Modules of what Keras names by counting (dense, dense_1). Metrics keep their names, which are the history's keys.
_COUNTED = (
    "keras.layers.",
    "keras.optimizers.",
    "keras.src.models.",
    "keras.src.ops.",
    "keras.Sequential",
)


def signature_of(model: Any) -> str | None:
    """Describe a compiled model so that equal text means an equal program.

    Parameters
    ----------
    model : keras.Model
        Compiled and built, with a built optimizer.

    Returns
    -------
    str or None
        JSON, from which the model can be built again. None where its configuration cannot tell, which is wherever
        code of somebody else's takes part: then the program must be compiled on the model itself.
    """
    import keras

    layers, optimizer, compiled = (
        model._flatten_layers(),
        model.optimizer,
        model._compile_config.config,
    )
    parts = [*layers, optimizer, *vars(optimizer).values(), *keras.tree.flatten(compiled)]
    by_name = any(
        isinstance(value, dict) for value in compiled.values()
    )  # losses or metrics of named outputs
    if by_name or not all(_is_plain(part) for part in parts if hasattr(part, "get_config")):
        return None
    groups = (model.trainable_variables, model.variables, optimizer.variables)
    facts = [
        [v.shape, v.dtype, v.regularizer, v.constraint] for group in groups for v in group
    ]  # may lag the layers
    facts.append([keras.config.epsilon(), *(layer.autocast for layer in layers)])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*lambda")  # Keras's warning of one
            subject = {"model": model, "optimizer": optimizer, "facts": facts}
            config = json.loads(json.dumps(keras.saving.serialize_keras_object(subject)))
    except Exception:  # whatever it is, what cannot be described has no signature
        return None
    as_it_is = config["model"]["compile_config"]["optimizer"] = config.pop(
        "optimizer"
    )  # and not as it was compiled
    rate_is_state = any(
        variable is getattr(optimizer, "_learning_rate", None) for variable in optimizer.variables
    )
    if (
        rate_is_state and "learning_rate" in as_it_is["config"]
    ):  # a number, no schedule: each training brings its own
        as_it_is["config"]["learning_rate"] = 0.0
    nodes = list(_nodes(config))
    if not all(_is_kerass(node.get("module", "keras")) for node in nodes if isinstance(node, dict)):
        return None
    _make_canonical(nodes)
    return json.dumps(config, sort_keys=True)


def _is_kerass(module: Any) -> bool:
    """Tell whether a module is one of Keras's."""
    return str(module).split(".")[0] == "keras"


def _is_plain(part: Any) -> bool:
    """Tell whether a layer, optimizer, loss or metric runs Keras's code for it and no other, whatever the names."""
    held = {
        key: value
        for key, value in vars(part).items()
        if callable(value) and not key.endswith("_function")
    }
    replaced = {key for key in held if callable(getattr(type(part), key, None))} - {
        "build",
        "loss",
        "quantize",
    }
    reads_names = {"_exclude_from_weight_decay", "exclude_layers", "_optimizer_map"} & set(
        vars(part)
    )
    return not (replaced or reads_names) and all(
        _is_kerass(it.__module__) for it in (type(part), *held.values())
    )


def _nodes(node: Any) -> Iterable[Any]:
    """Yield every dictionary and every list in a configuration."""
    if isinstance(node, dict | list):
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from _nodes(child)


def _make_canonical(nodes: list[Any]) -> None:
    """Replace what Keras names by counting, and fix what matters only before training: initializers and seeds."""
    named = [
        node for node in nodes if isinstance(node, dict) and "name" in (node.get("config") or ())
    ]
    counted = [
        node["config"]
        for node in named
        if f"{node['module']}.{node['class_name']}".startswith(_COUNTED)
    ]
    names = {config["name"]: f"part_{index}" for index, config in enumerate(counted)}
    for config in counted:
        config["name"] = names[config["name"]]
    for node in nodes:
        if isinstance(node, dict):
            node.update(
                {key: "zeros" for key in node if key.endswith("_initializer") and node[key]}
            )
            node.update({key: 0 for key in node if key == "seed"})
            node.update(
                {key: names[node[key]] for key in node if key == "name" and "inbound_nodes" in node}
            )
        elif (
            len(node) == 3 and isinstance(node[0], str) and isinstance(node[1], int)
        ):  # a reference to an output
            node[0] = names.get(node[0], node[0])
