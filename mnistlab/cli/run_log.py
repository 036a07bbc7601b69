"""The runs of ``mnistlab baseline accept``: logged, so that it resumes, and with progress."""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from mnistlab.execution import Backend
from mnistlab.gate import SeedRun, open_runner
from mnistlab.gate.seed_runs import MIN_CORES
from mnistlab.plugin import Figure, Measured, SeedMeasurer


class RunLog:
    """Runs so far, in a file next to the baseline, used if all that they depend on is the same."""

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
        """Return the SeedRun or Measured of each seed, from the file or run now; show progress."""
        kept = seeds[1:] if what == "seed" else seeds  # the file has no predictions of the first
        known = {seed: self._rows[what, seed] for seed in kept if (what, seed) in self._rows}
        # The suite is mostly small work: a process a core is faster than all cores in one process.
        cores = 2 if isinstance(runner, SeedMeasurer) else MIN_CORES
        results = []
        console = Console(file=sys.stderr)  # not what stands for it during a run of the suite
        with open_runner(runner, backend, cores) as run:
            fresh = run([seed for seed in seeds if seed not in known])
            for seed in track(seeds, what, auto_refresh=False, console=console):
                results.append(_unpack(known[seed]) if seed in known else next(fresh))
                if seed not in known:
                    row = {"what": what, **vars(results[-1])}
                    row.pop("evaluation", None)  # of a SeedRun
                    with self._path.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row, default=vars) + "\n")
        return results

    def remove(self) -> None:
        """Delete the file: the baseline has its content."""
        self._path.unlink(missing_ok=True)


def _unpack(row: dict[str, Any]) -> SeedRun | Measured:
    if "digest" in row:
        return SeedRun(**row)
    figures = {name: Figure(**figure) for name, figure in row["figures"].items()}
    lists = {name: tuple(row[name]) for name in ("not_judged", "failed")}
    return Measured(**{**row, **lists, "figures": figures})
