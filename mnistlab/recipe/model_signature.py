"""Tells whether two compiled Keras models are the same, apart from weights, seeds and names."""

import functools
import json
import re
import warnings
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
    """Describe a model and its program in JSON; None if it runs code that is not Keras's."""
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
            config = keras.saving.serialize_keras_object(whole)
            # The optimizer as it is now, not as it was compiled.
            config["model"]["compile_config"]["optimizer"] = config.pop("optimizer")
            text = json.dumps(config)
    except Exception:  # a custom part may raise anything; it has no signature then
        return None
    if {*re.findall(r'"module": "?([^",.]*)', text)} != {"keras"}:
        return None
    config = json.loads(text, object_hook=functools.partial(_canonical, names={}))
    # A learning rate that is a number is part of the state, which every training brings along.
    rate = getattr(optimizer, "_learning_rate", None)
    settings = config["model"]["compile_config"]["optimizer"]["config"]
    if "learning_rate" in settings and any(rate is v for v in optimizer.variables):
        settings["learning_rate"] = 0.0
    return json.dumps(config, sort_keys=True)


def _is_plain(part: Any) -> bool:
    """Tell whether a layer, optimizer, loss or metric runs only Keras's code, whatever its name."""
    attributes = vars(part)
    own = {key: value for key, value in attributes.items() if callable(value)}
    own = {key: value for key, value in own.items() if not key.endswith("_function")}
    replaced = {key for key in own if callable(getattr(type(part), key, None))}
    reads_names = {"_exclude_from_weight_decay", "exclude_layers", "_optimizer_map"} & {*attributes}
    if reads_names or replaced - {"build", "loss", "quantize"}:
        return False
    sources = (type(part), *own.values())
    return all(str(it.__module__).partition(".")[0] == "keras" for it in sources)


def _canonical(node: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Replace numbered names, and set initializers and seeds, which act only before training."""

    def renamed(part: Any) -> Any:
        """Rename a layer, or the layers in a structure of [name, node, tensor]."""
        if isinstance(part, str):
            return names.setdefault(part, f"part_{len(names)}")
        if isinstance(part, dict):
            return {key: renamed(value) for key, value in part.items()}
        return [renamed(each) for each in part] if isinstance(part, list) else part

    node |= {key: "zeros" for key in node if key.endswith("_initializer") and node[key]}
    node |= {"seed": 0} if "seed" in node else {}
    for key in ("input_layers", "output_layers", "keras_history"):
        if key in node:
            node[key] = renamed(node[key])
    if "inbound_nodes" in node:
        node["name"] = renamed(node["name"])
    is_numbered = f"{node.get('module')}.{node.get('class_name')}".startswith(_NUMBERED)
    if is_numbered and "name" in (node["config"] or ()):
        node["config"]["name"] = renamed(node["config"]["name"])
    return node
