"""What a process that runs the suite many times keeps from run to run, as no pipeline has part in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from mnistlab.data import Dataset


@dataclass(frozen=True, eq=False)
class Kept:
    """The dataset, its corrupted test images, and a function that calls another in another process."""

    dataset: Dataset
    corrupted: Callable[[], Iterable[tuple[str, int, Any]]]
    elsewhere: Callable[..., Any]


KEPT = pytest.StashKey[Kept]()
"""Where a run finds it; an ordinary run makes its own."""
