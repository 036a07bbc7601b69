"""What a fault and a healthy control are, and how a pipeline is entered as one.

The source of a fault is the operator of DeepCrime that makes it, with its strength ("HLR mild"), or an issue or pull
request on GitHub that describes it ("owner/repository#1"): the same defect, seldom the same code, and what the thread
says was read, not run. "practice" is neither: a defect known from work, for which no such thread was found.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

from mnistlab.recipe import Pipeline

Subject: TypeAlias = type[Pipeline]
PipelineClass = TypeVar("PipelineClass", bound=Subject)
Row: TypeAlias = tuple[str, str, str, str, Mapping[str, Any]]
"""A fault: its name, source, expected check, how it happens, and the attributes or methods that differ from a base."""


@dataclass(frozen=True)
class Entry:
    """A fault: a pipeline with exactly one defect. Or a healthy control: one that is written differently and right."""

    name: str  # in kebab-case; unique
    reference: str  # for --pipeline: "mnistlab.faults.catalogue.module:Class"
    how: str  # one line: how it happens in real code; of a control, how it differs
    source: str = ""  # see above
    expected: str = ""  # the test of the suite whose message names the cause, with its parameter if that matters

    @property
    def is_fault(self) -> bool:
        """Whether the suite must catch it."""
        return bool(self.expected)

    @property
    def pipeline(self) -> Subject:
        """The class, a subclass of `Pipeline` that keeps the published spec."""
        module, _, name = self.reference.partition(":")
        kind: Subject = getattr(importlib.import_module(module), name)
        return kind


def fault(name: str, source: str, expected: str) -> Callable[[PipelineClass], PipelineClass]:
    """Enter a pipeline as a fault; its docstring is how it happens. The parameters are those of `Entry`."""

    def enter(kind: PipelineClass) -> PipelineClass:
        entry = Entry(
            name, f"{kind.__module__}:{kind.__name__}", kind.__doc__ or "", source, expected
        )
        kind.entry = entry  # type: ignore[attr-defined]
        return kind

    return enter


def control(name: str) -> Callable[[PipelineClass], PipelineClass]:
    """Enter a pipeline as a healthy control; its docstring is how it differs."""
    return fault(name, "", "")


def variants(module: str, base: Subject, rows: Iterable[Row]) -> None:
    """Make a fault of each row, a class of the module that is called as the fault: ``no-scaling``, ``NoScaling``."""
    for name, source, expected, how, attributes in rows:
        own = "".join(word.capitalize() for word in name.split("-"))
        own = own if own.isidentifier() else f"_{own}"
        kind = type(own, (base,), {"__doc__": how, "__module__": module, **attributes})
        setattr(sys.modules[module], own, fault(name, source, expected)(kind))


def entries(*modules: ModuleType) -> dict[str, Entry]:
    """Return what was entered in modules, by name, in the order in which it stands there."""
    kinds = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    found: list[Entry] = [vars(kind)["entry"] for kind in kinds if "entry" in vars(kind)]
    return {entry.name: entry for entry in found}
