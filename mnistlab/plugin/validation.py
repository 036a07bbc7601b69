"""Run the suite from a script or a notebook. PYTEST_DONT_REWRITE."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mnistlab.errors import MnistlabError
from mnistlab.plugin.suite import OPTIONS, PIPELINE, SUMMARY, SuiteRun, suite_arguments
from mnistlab.report import STYLESHEET, summary_html, summary_text
from mnistlab.requirement import Verdict
from mnistlab.spelling import did_you_mean


@dataclass(frozen=True, eq=False)
class ValidationResult:
    """The verdict of one run of the suite. It prints as the table that ends a run.

    `verdict` is NOT RUN if nothing failed, but something that is required was not judged. `summary`
    is the content of ``verdict.json``, `page` the HTML report.
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

    def _repr_html_(self) -> str:
        """Return the top of the page, which a notebook shows."""
        rules = re.findall(r"^\.mnistlab[^{]*\{[^}]*\}", STYLESHEET.read_text("utf-8"), re.M)
        return f"<style>{' '.join(rules)}</style>{summary_html(self.summary, ())}"


def validate(
    pipeline: Any = None, dataset: str = "auto", *, report: str | Path = "report", **options: Any
) -> ValidationResult:
    """Judge a pipeline by the whole suite, as ``mnistlab validate`` does.

    `pipeline` is an object with the five methods and the spec of a `Pipeline`, or its class; or a
    reference such as ``"my_file.py:MyPipeline"``; None is the published recipe. The dataset
    ``"auto"`` is MNIST, and the digits where there is no MNIST. `report` is the folder of the page
    and of ``verdict.json``. `options` are the command's others: mnist_data, seed, margin, seeds,
    baselines, model, spec, scheduler, strict.

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
    known = (*OPTIONS, "strict")
    for name in sorted({*options} - {*known}):
        near = did_you_mean(name, known)
        raise MnistlabError(f"{name} is not an option; known: {', '.join(known)}{near}")
    reference = pipeline if isinstance(pipeline, str) else None
    settings = {**options, "dataset": dataset, "report": report, "pipeline": reference}
    stashed = {} if reference or pipeline is None else {PIPELINE: pipeline}
    run = SuiteRun(suite_arguments(settings), stashed)
    summary = run.stash(SUMMARY)
    if summary is None:
        raise MnistlabError(run.last_line)
    rows = tuple(Verdict(**row) for row in summary["requirements"])
    if stopped := [row.message for row in rows if row.group == "run"]:
        raise MnistlabError(stopped[0].partition("not judged; ")[2])
    return ValidationResult(summary["verdict"], rows, summary, Path(report, "index.html"))
