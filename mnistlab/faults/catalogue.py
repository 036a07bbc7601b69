"""What a fault and a healthy twin are, and how a pipeline is entered as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

from mnistlab.pipeline import Pipeline

Subject: TypeAlias = type[Pipeline]
Kind = TypeVar("Kind", bound=Subject)


@dataclass(frozen=True)
class Fault:
    """A pipeline with exactly one defect.

    Parameters
    ----------
    name : str
        In kebab-case; unique.
    pipeline : type
        The subclass of `Pipeline` that has the defect. It keeps the published spec.
    how : str
        One line: how it happens in real code.
    source : str
        The operator of DeepCrime with its strength ("HLR mild"), an issue on GitHub where it happened
        ("owner/repository#1"), or "practice".
    expected : str
        The test of the suite whose message names the cause, with its parameter if that matters.
    """

    name: str
    pipeline: Subject
    how: str
    source: str
    expected: str


@dataclass(frozen=True)
class Twin:
    """A pipeline that is written differently and right: name, pipeline, and how it differs."""

    name: str
    pipeline: Subject
    how: str


def fault(name: str, source: str, expected: str) -> Callable[[Kind], Kind]:
    """Enter a pipeline as a fault; its docstring is how it happens. The parameters are those of `Fault`."""
    return lambda kind: _enter(kind, Fault(name, kind, kind.__doc__ or "", source, expected))


def twin(name: str) -> Callable[[Kind], Kind]:
    """Enter a pipeline as a healthy twin; its docstring is how it differs."""
    return lambda kind: _enter(kind, Twin(name, kind, kind.__doc__ or ""))


def changed(base: Subject, how: str, **attributes: Any) -> Subject:
    """Derive a pipeline that has other attributes or methods than its base, and a docstring."""
    return type(base.__name__, (base,), {"__doc__": how, "__module__": base.__module__, **attributes})


def entries(modules: Iterable[ModuleType]) -> Iterator[Fault | Twin]:
    """Yield what was entered in modules, in the order in which it stands there; each class is called as there."""
    for module in modules:
        for name, kind in vars(module).items():
            if isinstance(kind, type) and "entry" in vars(kind):
                kind.__name__ = kind.__qualname__ = name
                yield vars(kind)["entry"]


def _enter(kind: Kind, entry: Fault | Twin) -> Kind:
    kind.entry = entry  # type: ignore[attr-defined]
    return kind
