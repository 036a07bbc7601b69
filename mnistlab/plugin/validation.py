"""Run the suite from a script or a notebook, and return its verdict.

PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest loads it.
"""

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from mnistlab.errors import MnistlabError
from mnistlab.plugin.suite import OPTIONS, PIPELINE, SUMMARY, suite_arguments
from mnistlab.report import summary_text
from mnistlab.requirement import Verdict


@dataclass(frozen=True, eq=False)
class ValidationResult:
    """The verdict of one run of the suite. It prints as the table that ends a run.

    Attributes
    ----------
    verdict : {"PASSED", "FAILED", "NOT RUN"}
        NOT RUN: nothing failed, but something that is required was not judged.
    requirements : tuple of Verdict
        Every requirement with what was measured, what was required, and the status.
    summary : mapping
        The content of ``verdict.json``.
    page : Path
        The HTML report.
    """

    verdict: Literal["PASSED", "FAILED", "NOT RUN"]
    requirements: tuple[Verdict, ...]
    summary: Mapping[str, Any]
    page: Path

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Return the requirements that failed or stayed undecided."""
        return tuple(each for each in self.requirements if each.is_missed)

    def __str__(self) -> str:
        """Return the table of results and the verdict."""
        return f"{summary_text(self.summary)}\nPage: {self.page}"


class _Keeper:
    """Hands a pipeline to the run, and keeps its summary."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self.config: pytest.Config | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self.config = config
        if self._pipeline is not None:
            config.stash[PIPELINE] = self._pipeline


def validate(
    pipeline: Any = None,
    dataset: Literal["auto", "mnist", "digits"] = "auto",
    *,
    report: str | Path = "report",
    **options: Any,
) -> ValidationResult:
    """Judge a pipeline by the whole suite, as ``mnistlab validate`` does.

    Parameters
    ----------
    pipeline : Pipeline, class, str or None
        An object with the five methods and the spec of a `Pipeline`, or its class; or a reference
        such as ``"my_file.py:MyPipeline"``. None is the published recipe.
    dataset : {"auto", "mnist", "digits"}
        ``"auto"`` takes MNIST, and the digits where there is no MNIST.
    report : path-like
        Folder of the page and of ``verdict.json``.
    **options
        The command's other options: mnist_data, seed, margin, seeds, baselines, model, spec,
        scheduler, strict.

    Returns
    -------
    ValidationResult

    Raises
    ------
    MnistlabError
        If there is nothing to judge: no data, no pipeline, an unknown option.

    Examples
    --------
    >>> from mnistlab import validate
    >>> result = validate(dataset="digits", report="report")  # doctest: +SKIP
    >>> result.verdict  # doctest: +SKIP
    'PASSED'
    """
    if unknown := sorted({*options} - {*OPTIONS, "strict"}):
        raise MnistlabError(f"{unknown[0]} is not an option; known: {', '.join(OPTIONS)}, strict")
    reference = pipeline if isinstance(pipeline, str) else None
    settings = {**options, "dataset": dataset, "report": report, "pipeline": reference}
    keeper = _Keeper(None if reference else pipeline)
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        pytest.main(suite_arguments(settings), plugins=[keeper])
    summary = keeper.config.stash.get(SUMMARY, None) if keeper.config else None
    if summary is None:
        lines = output.getvalue().strip().splitlines() or ["the suite did not run"]
        raise MnistlabError(lines[-1].strip("! "))
    rows = tuple(Verdict(**row) for row in summary["requirements"])
    if stopped := [row.message for row in rows if row.group == "run"]:
        raise MnistlabError(stopped[0].partition("not judged; ")[2])
    return ValidationResult(summary["verdict"], rows, summary, Path(report, "index.html"))
