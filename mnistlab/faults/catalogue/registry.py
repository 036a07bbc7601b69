"""Entries of the catalogue, and the functions that register pipelines as faults or controls.

The source of a fault is one of three:

- An operator of DeepCrime with its strength ("HLR mild").
- An issue or pull request on GitHub that describes the defect ("owner/repository#1"). The defect is
  the same, the code seldom is. The thread was read; its code was not run.
- "practice": a defect known from work, for which no such thread was found.
"""

import functools
import inspect
import operator
import pkgutil
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistlab.arrays import WHITE
from mnistlab.recipe import Pipeline

PUBLISHED = Pipeline()
SCALED_AGAIN = functools.partial(np.multiply, 1 / WHITE)
TRANSPOSED = operator.methodcaller("transpose", 0, 2, 1)
MIRRORED = operator.itemgetter(np.s_[:, :, ::-1])
"""Changes of prepared images that preparation, training or prediction may make by mistake."""


@dataclass(frozen=True)
class Entry:
    """A fault, which is a pipeline with one defect, or the published recipe written differently."""

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
    def part(self) -> str:
        """The part of the pipeline that has the defect: the name of the catalogue's module."""
        return self.reference.partition(":")[0].rpartition(".")[2]

    @property
    def pipeline(self) -> type[Pipeline]:
        """The class, a subclass of `Pipeline` that keeps the published spec."""
        return pkgutil.resolve_name(self.reference)  # type: ignore[no-any-return]


CATALOGUE: dict[str, Entry] = {}
"""Every entry by name, in the order in which the modules are imported."""


def variant(module: str, base: type[Pipeline], name: str, *texts: str, **attributes: Any) -> None:
    """Register a subclass of a base: ``no-scaling`` becomes the class ``NoScaling`` of the module.

    The texts are source and expected check, both left out for a control, and description. A
    function among the attributes overrides a method. It is static unless it takes ``self``.
    """
    *origin, description = texts
    class_name = "".join(word.capitalize() for word in name.split("-"))
    class_name = class_name if class_name.isidentifier() else f"_{class_name}"
    namespace: dict[str, Any] = {"__doc__": description, "__module__": module}
    for key, value in attributes.items():
        takes_self = inspect.isfunction(value) and "self" in inspect.signature(value).parameters
        namespace[key] = staticmethod(value) if callable(value) and not takes_self else value
    setattr(sys.modules[module], class_name, type(class_name, (base,), namespace))
    CATALOGUE[name] = Entry(name, f"{module}:{class_name}", description, *origin)
