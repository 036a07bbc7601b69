"""The report of a campaign: a page, Markdown with a picture for the docs, and the symptoms."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path

from mnistlab.faults.catalogue import NOT_APPLICABLE
from mnistlab.faults.figures import kill_matrix
from mnistlab.faults.summary import Outcome, Summary
from mnistlab.report import render, write_atomically
from mnistlab.report.figures import png

REPORT_FILES = ("index.html",)
DOCS_FILES = ("faults.md", "faults.png")
HEADINGS = (
    "name",
    "how it happens",
    "source",
    "caught first by",
    "as expected",
    "accuracy",
    "seconds",
)


def write_report(
    summary: Summary, facts: Mapping[str, str], folder: Path, docs: Path | None = None
) -> Path:
    """Write the page and the files of the docs; `facts`, name -> text, are the conditions."""
    path = folder / REPORT_FILES[0]
    write_atomically(path, page(summary, facts))
    if docs:
        write_atomically(docs / DOCS_FILES[0], markdown(summary, facts))
        (docs / DOCS_FILES[1]).write_bytes(png(kill_matrix(summary)))
    return path


def write_symptoms(summary: Summary, dataset: str, path: Path) -> None:
    """Write the symptoms of the faults on a dataset to a dictionary, one line for each fault."""
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    content = summary.symptoms(dataset, earlier)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for start in ("],", "},", "{"):
        text = text.replace(f'{start}"', f'{start}\n"')
    write_atomically(path, f"{text}\n")


def page(summary: Summary, facts: Mapping[str, str]) -> str:
    """Return the page as HTML."""
    return render(
        "mnistlab.faults",
        "page.html",
        summary=summary,
        facts=facts,
        headings=HEADINGS,
        cells=lambda outcome: _cells(outcome, _claim),
        not_applicable=NOT_APPLICABLE,
        picture=b64encode(png(kill_matrix(summary))).decode(),
        shared_css=resources.files("mnistlab.report").joinpath("page.css").read_text("utf-8"),
    )


def markdown(summary: Summary, facts: Mapping[str, str]) -> str:
    """Return the page of the docs as Markdown."""
    lines = ["# The suite against broken pipelines", "", "Made by `mnistlab faults`.", ""]
    lines += [f"- {line}" for line in summary.sentences()]
    lines += [f"- {name}: {text}" for name, text in facts.items()]
    lines += ["", "![Fault by check](faults.png)"]
    for title, outcomes in (
        ("Faults:", summary.faults),
        ("Healthy controls, which must pass:", summary.controls),
    ):
        lines += ["", title, "", _markdown_row(HEADINGS), f"|{'---|' * len(HEADINGS)}"]
        lines += [_markdown_row(_cells(outcome, "`{}`".format)) for outcome in outcomes]
    lines += ["", "Operators of DeepCrime that do not apply to the published recipe:", ""]
    lines += [f"- {operator} {reason}" for operator, reason in NOT_APPLICABLE.items()]
    return "\n".join([*lines, ""])


def _cells(outcome: Outcome, shown: Callable[[str], str]) -> list[str]:
    """Return the texts of a row under `HEADINGS`; `shown` formats the name of a check."""
    entry, trial = outcome.entry, outcome.trial
    result = shown(trial.caught_by) if trial.caught_by else trial.status
    as_expected = "yes" if outcome.as_expected else f"no: {shown(entry.expected)}"
    accuracy = "" if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %"
    texts = [entry.name, entry.description, entry.source, result]
    return [*texts, as_expected if entry.is_fault else "", accuracy, f"{trial.seconds:.1f}"]


def _claim(check: str) -> str:
    return check.replace("::", ": ").replace("test_", "", 1).replace("_", " ")


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |"
