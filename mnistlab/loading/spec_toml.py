"""A promise in TOML: ``[spec]``, ``[bounds]`` and ``[gate]``, over what a pipeline promises itself."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mnistlab.errors import MnistlabError
from mnistlab.loading.contract import KERAS_FIELDS
from mnistlab.recipe import Layer, Spec, bounds_of
from mnistlab.requirement import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OR_NONE = ", or false to promise none"
LARGEST = 2**63
"""What is larger is a slip, and does not fit where it is used."""
Rule = tuple[Callable[[Any], bool], str]
"""Whether a value is allowed, and in words what is."""


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -LARGEST <= value <= LARGEST
    )


_COUNT: Rule = (
    lambda value: isinstance(value, int) and _is_number(value) and value >= 0,
    "a whole number",
)
_SOME: Rule = (lambda value: _COUNT[0](value) and value > 0, "a whole number from 1")
_TEXT: Rule = (lambda value: isinstance(value, str) and value != "", "a string")
FIELDS: Mapping[str, Rule] = {
    "dataset": (lambda value: value in ("mnist", "digits"), '"mnist" or "digits"'),
    "optimizer": _TEXT,
    "learning_rate": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "loss": _TEXT,
    "metric": _TEXT,
    "epochs": _SOME,
    "batch_size": _SOME,
    "validation_split": (
        lambda value: _is_number(value) and 0 <= value < 1,
        "a number from 0, below 1",
    ),
}
LAYER: Mapping[str, Rule] = dict(
    kind=_TEXT, units=_COUNT, activation=_TEXT, parameters=_COUNT, untrained=_COUNT
)
MARGIN: Rule = (lambda value: _is_number(value) and 0 < value < 0.5, "a fraction such as 0.001")


def apply_toml(text: str, name: str, spec: Spec) -> tuple[Spec, float | None]:
    """Put a TOML file's content over a spec; return it and the margin of the gates, a fraction, if one is stated.

    MnistlabError names the file, the key that is wrong, and what it may be.
    """
    try:
        tables = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number of more digits than Python reads
        raise MnistlabError(f"--spec {name}: not TOML: {error}") from error
    try:
        return _apply_tables(tables, spec)
    except MnistlabError as error:
        raise MnistlabError(f"--spec {name}: {error}") from error


def check_spec(spec: Spec) -> None:
    """Refuse a spec that was made in Python with what no promise can be; MnistlabError names the field."""
    for key, rule in FIELDS.items():
        value = getattr(spec, key)
        if not (key in KERAS_FIELDS and value is None):
            _checked(f"spec.{key}", value, rule)
    _checked("spec.layers", spec.layers or (), _all_of(Layer))
    _checked("spec.bounds", spec.bounds, _all_of(Requirement))


def _all_of(kind: type) -> Rule:
    words = f"a tuple of mnistlab's {kind.__name__}"
    return (
        lambda value: isinstance(value, tuple) and all(isinstance(each, kind) for each in value),
        words,
    )


def _apply_tables(tables: dict[str, Any], spec: Spec) -> tuple[Spec, float | None]:
    _refuse_others("", tables, ("spec", "bounds", "gate"))
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise MnistlabError(f"{name} = {table!r}; required a table, [{name}]")
    stated, gate = tables.get("spec", {}), tables.get("gate", {})
    _refuse_others("spec.", stated, (*FIELDS, "layers"))
    _refuse_others("gate.", gate, ("margin",))
    values = {key: _field(key, value) for key, value in stated.items()}
    margin = _checked("gate.margin", gate["margin"], MARGIN) if gate else None
    return _bounded(replace(spec, **values), tables.get("bounds", {})), margin


def _field(key: str, value: Any) -> Any:
    """Return the value of a field of a spec; false promises nothing, where that is allowed."""
    if key in KERAS_FIELDS and value is False:
        return None
    if key == "layers":
        return _layers(value)
    holds, words = FIELDS[key]
    return _checked(
        f"spec.{key}", value, (holds, f"{words}{OR_NONE if key in KERAS_FIELDS else ''}")
    )


def _layers(found: Any) -> tuple[Layer, ...]:
    """Read the array of tables of layers."""
    if not isinstance(found, list) or not all(isinstance(layer, dict) for layer in found):
        raise MnistlabError(
            f"spec.layers = {str(found)[:60]}; required [[spec.layers]] tables{OR_NONE}"
        )
    layers = []
    for number, layer in enumerate(found, start=1):
        where = f"spec.layers, {number}: "
        _refuse_others(where, layer, tuple(LAYER))
        if "kind" not in layer:
            raise MnistlabError(f'{where}kind is missing; required a Keras class, such as "Dense"')
        layers.append(
            Layer(**{key: _checked(where + key, value, LAYER[key]) for key, value in layer.items()})
        )
    return tuple(layers)


def _bounded(spec: Spec, table: dict[str, Any]) -> Spec:
    """Put bounds over those of a spec; false takes one away."""
    for name, number in table.items():
        _checked(
            f"bounds.{name!r}",
            number,
            (lambda it: it is False or _is_number(it), "a number, or false for none"),
        )
    stated = bounds_of(
        table, "stated in --spec"
    )  # refuses unknown names, also of what is taken away
    for bound in stated:
        if bound.unit == "fraction" and abs(table[bound.name]) > 1:
            raise MnistlabError(
                f"bounds.{bound.name!r} = {bound.bound}; required a fraction, not percent"
            )
    kept = tuple(bound for bound in spec.bounds if bound.name not in table)
    return replace(spec, bounds=kept + tuple(bound for bound in stated if bound.bound is not False))


def _refuse_others(where: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for key in table:
        if key not in allowed:
            raise MnistlabError(f"{where}{key} is unknown; allowed: {', '.join(allowed)}")


def _checked(key: str, value: Any, rule: Rule) -> Any:
    """Return a value if its rule allows it."""
    if not rule[0](value):
        raise MnistlabError(f"{key} = {value!r:.60}; required {rule[1]}")
    return value
