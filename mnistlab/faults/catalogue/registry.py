"""Entries of the catalogue, and the functions that register pipelines as faults or controls.

The source of a fault is one of three:

- An operator of DeepCrime with its strength ("HLR mild").
- An issue or pull request on GitHub that describes the defect ("owner/repository#1"). The defect is
  the same, the code seldom is. The thread was read; its code was not run.
- "practice": a defect known from work, for which no such thread was found.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

from mnistlab.recipe import Pipeline

PipelineClass = TypeVar("PipelineClass", bound=type[Pipeline])
Variant: TypeAlias = tuple[str, str, str, str, Mapping[str, Any]]
"""Name, source, expected check and description of a fault, and the attributes that it overrides."""


@dataclass(frozen=True)
class Entry:
    """A fault, which is a pipeline with exactly one defect, or a healthy control.

    A control does the same as the published recipe but is written differently.
    """

    name: str  # in kebab-case; unique
    reference: str  # for --pipeline: "mnistlab.faults.catalogue.module:Class"
    description: str  # one line: how the defect happens in real code, or how a control differs
    source: str = ""  # see the module's docstring; empty for a control
    expected: str = ""  # the test whose message names the cause, with its case if that matters

    @property
    def is_fault(self) -> bool:
        """Whether the suite must fail it."""
        return bool(self.expected)

    @property
    def pipeline(self) -> type[Pipeline]:
        """The class, a subclass of `Pipeline` that keeps the published spec."""
        module, _, name = self.reference.partition(":")
        pipeline: type[Pipeline] = getattr(importlib.import_module(module), name)
        return pipeline


def fault(name: str, source: str, expected: str) -> Callable[[PipelineClass], PipelineClass]:
    """Register a pipeline class as a fault; its docstring becomes the description."""

    def register(pipeline: PipelineClass) -> PipelineClass:
        reference = f"{pipeline.__module__}:{pipeline.__name__}"
        entry = Entry(name, reference, pipeline.__doc__ or "", source, expected)
        pipeline.entry = entry  # type: ignore[attr-defined]
        return pipeline

    return register


def control(name: str) -> Callable[[PipelineClass], PipelineClass]:
    """Register a pipeline class as a healthy control; its docstring becomes the description."""
    return fault(name, "", "")


def variants(module: str, base: type[Pipeline], rows: Iterable[Variant]) -> None:
    """Make a subclass of a base for each row, in a module: ``no-scaling`` becomes ``NoScaling``.

    A function among a row's attributes overrides a method. It is static: it gets no ``self``.
    """
    for name, source, expected, description, attributes in rows:
        class_name = "".join(word.capitalize() for word in name.split("-"))
        class_name = class_name if class_name.isidentifier() else f"_{class_name}"
        namespace: dict[str, Any] = {"__doc__": description, "__module__": module}
        for key, value in attributes.items():
            namespace[key] = staticmethod(value) if callable(value) else value
        pipeline = fault(name, source, expected)(type(class_name, (base,), namespace))
        setattr(sys.modules[module], class_name, pipeline)


def registered(*modules: ModuleType) -> dict[str, Entry]:
    """Return the entries of modules by name, in the order in which the modules define them."""
    members = [member for module in modules for member in vars(module).values()]
    classes = [member for member in members if isinstance(member, type)]
    # vars() and not getattr(): a subclass must not count under the entry of its base.
    entries: list[Entry] = [vars(member)["entry"] for member in classes if "entry" in vars(member)]
    return {entry.name: entry for entry in entries}
