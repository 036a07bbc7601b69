"""Tells whether two compiled Keras models are the same, apart from weights, seeds and names."""

import json
import warnings
from collections.abc import Iterable
from typing import Any

# Keras numbers the names of these (dense, dense_1). Metrics are not listed: their names are keys of
# the history.
_NUMBERED = (
    "keras.layers.",
    "keras.optimizers.",
    "keras.src.models.",
    "keras.src.ops.",
    "keras.Sequential",
)


def signature_of(model: Any) -> str | None:
    """Describe a compiled and built model in JSON so that equal text means an equal program.

    None if the model runs any code that is not Keras's, which its configuration does not describe.
    """
    import keras

    layers, optimizer = model._flatten_layers(), model.optimizer
    compiled = model._compile_config.config
    parts = [*layers, optimizer, *vars(optimizer).values(), *keras.tree.flatten(compiled)]
    by_output_name = any(isinstance(value, dict) for value in compiled.values())
    if by_output_name or not all(_is_plain(part) for part in parts if hasattr(part, "get_config")):
        return None
    # A variable's regularizer and constraint may differ from those in its layer's configuration.
    groups = (model.trainable_variables, model.variables, optimizer.variables)
    facts = [[v.shape, v.dtype, v.regularizer, v.constraint] for group in groups for v in group]
    facts.append([keras.config.epsilon(), *(layer.autocast for layer in layers)])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*lambda")
            whole = {"model": model, "optimizer": optimizer, "facts": facts}
            config = json.loads(json.dumps(keras.saving.serialize_keras_object(whole)))
    except Exception:  # a custom part may raise anything; it has no signature then
        return None
    # The optimizer as it is now, not as it was compiled.
    current = config["model"]["compile_config"]["optimizer"] = config.pop("optimizer")
    # A learning rate that is a number is part of the state, which every training brings along.
    rate = getattr(optimizer, "_learning_rate", None)
    if "learning_rate" in current["config"] and any(rate is v for v in optimizer.variables):
        current["config"]["learning_rate"] = 0.0
    nodes = list(_nodes(config))
    if not all(_is_of_keras(node.get("module", "keras")) for node in nodes if type(node) is dict):
        return None
    _make_canonical(nodes)
    return json.dumps(config, sort_keys=True)


def _is_of_keras(module: Any) -> bool:
    return str(module).split(".")[0] == "keras"


def _is_plain(part: Any) -> bool:
    """Tell whether a layer, optimizer, loss or metric runs only Keras's code, whatever its name."""
    attributes = vars(part)
    own = {key: value for key, value in attributes.items() if callable(value)}
    own = {key: value for key, value in own.items() if not key.endswith("_function")}
    replaced = {key for key in own if callable(getattr(type(part), key, None))}
    reads_names = {"_exclude_from_weight_decay", "exclude_layers", "_optimizer_map"} & {*attributes}
    if reads_names or replaced - {"build", "loss", "quantize"}:
        return False
    return all(_is_of_keras(value.__module__) for value in (type(part), *own.values()))


def _nodes(node: Any) -> Iterable[Any]:
    """Yield every dictionary and every list in a configuration."""
    if isinstance(node, dict | list):
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from _nodes(child)


def _make_canonical(nodes: list[Any]) -> None:
    """Replace numbered names, and set initializers and seeds, which act only before training."""
    dicts = [node for node in nodes if isinstance(node, dict)]
    numbered = [
        node["config"]
        for node in dicts
        if "name" in (node.get("config") or ())
        and f"{node['module']}.{node['class_name']}".startswith(_NUMBERED)
    ]
    names = {config["name"]: f"part_{index}" for index, config in enumerate(numbered)}
    for config in numbered:
        config["name"] = names[config["name"]]
    for node in dicts:
        node.update({key: "zeros" for key in node if key.endswith("_initializer") and node[key]})
        if "seed" in node:
            node["seed"] = 0
        if "name" in node and "inbound_nodes" in node:
            node["name"] = names[node["name"]]
    for node in nodes:  # a list of name, node and tensor index refers to the output of a layer
        is_list = isinstance(node, list) and len(node) == 3
        if is_list and isinstance(node[0], str) and isinstance(node[1], int):
            node[0] = names.get(node[0], node[0])
