"""A spec in TOML: ``[spec]``, ``[bounds]`` and ``[gate]``, put over a pipeline's own spec."""

import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from mnistlab.errors import MnistlabError
from mnistlab.recipe import OPTIONAL, Layer, Spec, bounds_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def apply_toml(text: str, name: str, spec: Spec) -> tuple[Spec, float | None]:
    """Put a TOML file over a spec; return it, and the margin of the gates if one is stated."""
    try:
        return _apply_tables(tomllib.loads(text), spec)
    except ValueError as error:  # TOMLDecodeError, or a number of more digits than Python reads
        raise MnistlabError(f"--spec {name}: not TOML: {error}") from error
    except MnistlabError as error:
        raise MnistlabError(f"--spec {name}: {error}") from error


def _apply_tables(tables: dict[str, Any], spec: Spec) -> tuple[Spec, float | None]:
    _refuse_unknown("", tables, ["spec", "bounds", "gate"])
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise MnistlabError(f"{name} = {table!r}; required a table, [{name}]")
    values, bounds, gate = (tables.get(name, {}) for name in ("spec", "bounds", "gate"))
    names = [field.name for field in fields(Spec) if field.name not in ("bounds", "gate")]
    _refuse_unknown("spec.", values, names)
    values = {key: tuple(it) if isinstance(it, list) else it for key, it in values.items()}
    if isinstance(layers := values.get("layers"), tuple):
        values["layers"] = tuple(_layer(place, it) for place, it in enumerate(layers, start=1))
    others = tuple(bound for bound in spec.bounds if bound.name not in bounds)
    gate = {key: None if it is False else it for key, it in gate.items()}
    margin = gate.pop("margin", 0.001)
    if not (isinstance(margin, float) and 0 < margin < 0.5):
        raise MnistlabError(f"gate.margin = {margin!r:.60}; required a fraction such as 0.001")
    changes = {**_with_none(values), "bounds": others + bounds_of(bounds, "stated in --spec")}
    changed = replace(spec, **changes, gate={**spec.gate, **gate})
    return changed, margin if "margin" in tables.get("gate", {}) else None


def _layer(place: int, table: Any) -> Layer:
    where = f"spec.layers, {place}: "
    if not isinstance(table, dict) or "kind" not in table:
        required = 'required a table with the Keras class as kind, such as {kind = "Dense"}'
        raise MnistlabError(f"{where}{table!r:.60}; {required}")
    _refuse_unknown(where, table, [field.name for field in fields(Layer)])
    try:
        return Layer(**_with_none(table))
    except MnistlabError as error:
        raise MnistlabError(f"{where}{error}") from error


def _with_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """Turn false, where a field may be None, into None, which TOML lacks."""
    return {key: None if it is False and key in OPTIONAL else it for key, it in table.items()}


def _refuse_unknown(prefix: str, table: Mapping[str, Any], allowed: list[str]) -> None:
    for key in table:
        if key not in allowed:
            raise MnistlabError(f"{prefix}{key} is unknown; allowed: {', '.join(allowed)}")
