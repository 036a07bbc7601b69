"""The runs of ``mnistlab baseline accept``: logged, so that it resumes, and with progress."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.execution import Backend
from mnistlab.gate import SeedRun, open_runner
from mnistlab.gate.seed_runs import MIN_CORES
from mnistlab.plugin import Figure, Measured, SeedMeasurer

EVERY = 16
"""Where progress is not on a terminal, every so many runs get a line."""


class RunLog:
    """Runs so far, in a file next to the baseline, so that an interrupted accept resumes.

    The file is used only if everything that a result depends on is the same.
    """

    def __init__(self, baseline: Path, depends_on: list[Any]) -> None:
        self._path = baseline.with_name(f".{baseline.stem}.partial.jsonl")
        own_key = json.dumps(depends_on, sort_keys=True)
        self._rows: dict[tuple[str, int], dict[str, Any]] = {}
        with contextlib.suppress(OSError):  # nothing to resume
            key, *lines = self._path.read_text(encoding="utf-8").splitlines() or [""]
            for line in lines if key == own_key else ():
                with contextlib.suppress(ValueError, KeyError, TypeError):  # cut off
                    row = json.loads(line)
                    self._rows[row.pop("what"), row["seed"]] = row
        if not self._rows:
            self._path.write_text(own_key + "\n", encoding="utf-8")

    def run(
        self, what: str, runner: Callable[[int], Any], seeds: Sequence[int], backend: Backend
    ) -> list[Any]:
        """Return the SeedRun or Measured of each seed, from the file or run now; show progress.

        Of "seed", the first is always run: the file does not keep its predictions.
        """
        kept = seeds[1:] if what == "seed" else seeds
        known = {seed: self._rows[what, seed] for seed in kept if (what, seed) in self._rows}
        # The suite is mostly small work: a process a core is faster than all cores in one process.
        cores = 2 if isinstance(runner, SeedMeasurer) else MIN_CORES
        start, results = time.perf_counter(), []
        with open_runner(runner, backend, cores) as run:
            fresh = run([seed for seed in seeds if seed not in known])
            for seed in seeds:
                results.append(_unpack(known[seed]) if seed in known else next(fresh))
                if seed not in known:
                    with self._path.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"what": what, **_pack(results[-1])}) + "\n")
                _show_progress(what, results, len(seeds), time.perf_counter() - start)
        return results

    def remove(self) -> None:
        """Delete the file: the baseline has its content."""
        self._path.unlink(missing_ok=True)


def _pack(result: SeedRun | Measured) -> dict[str, Any]:
    if isinstance(result, Measured):
        return asdict(result)
    return {"seed": result.seed, "metrics": result.metrics, "digest": result.digest}


def _unpack(row: dict[str, Any]) -> SeedRun | Measured:
    if "digest" in row:
        return SeedRun(**row)
    figures = {name: Figure(**figure) for name, figure in row["figures"].items()}
    lists = {name: tuple(row[name]) for name in ("not_judged", "failed")}
    return Measured(**{**row, **lists, "figures": figures})


def _show_progress(what: str, results: Sequence[Any], count: int, seconds: float) -> None:
    """Report on stderr how many results there are and the time left."""
    number = len(results)
    left = seconds / number * (count - number)
    text = f"{what} {number} of {count}, about {left:.0f} s left"
    if isinstance(results[0], SeedRun):
        mean = np.mean([each.metrics["final accuracy"] for each in results])
        text += f", mean accuracy {100 * mean:.3f} %"
    on_terminal = sys.stderr.isatty() and number < count
    if on_terminal or number % EVERY == 0 or number == count:
        print(text, end="\r" if on_terminal else "\n", file=sys.stderr, flush=True)
