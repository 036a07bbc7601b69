"""The summary of a run as HTML, for the top of pytest-html's page, and cells for its table."""

import html
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from mnistlab.requirement import Verdict, show, show_difference

STYLESHEET = Path(__file__).with_name("page.css")
MEANING = {
    "PASSED": "every requirement of the spec was judged and is met",
    "FAILED": "a requirement is not met or undecided; the reasons are below",
    "NOT RUN": "nothing failed, but not every requirement of the spec was judged",
}


def render(package: str, name: str, **values: object) -> str:
    """Return the HTML of a Jinja2 template, a file in a package; all values are escaped.

    A name in the template that has no value raises ``jinja2.UndefinedError``.
    """
    source = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    templates = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    return templates.from_string(source).render(values)


def headline(summary: Mapping[str, Any]) -> str:
    """Say in one sentence what the verdict means and what was judged; plain text."""
    subject, dataset = summary["subject"], summary["dataset"]
    if not subject or not dataset:
        return f"{MEANING[summary['verdict']]}."
    what = f"file {subject['file']}" if "file" in subject else f"pipeline {subject['name']}"
    return f"{MEANING[summary['verdict']]} ({what} on {dataset['name']}, seed {subject['seed']})."


def data_note(summary: Mapping[str, Any]) -> str:
    """Say that the data is not MNIST, and why; empty if it is."""
    note = summary["dataset"].get("note")
    return f"This is not a verdict on MNIST: {note}" if note else ""


def summary_html(summary: Mapping[str, Any], pictures: Iterable[Mapping[str, str]]) -> str:
    """Write the top of the page from ``verdict.json`` and the pictures; all text is escaped.

    A picture has title, caption, group of its test, and png in base64.
    """
    rows = summary["requirements"]
    titles = {"failed": "Failed", "undecided": "Undecided", "not run": "Not judged"}
    return render(
        __package__,
        "page.html",
        verdict=summary["verdict"],
        headline=headline(summary),
        note=data_note(summary),
        facts=_facts(summary),
        missing=[
            (title, [row["message"] for row in rows if row["asked"] and row["status"] == status])
            for status, title in titles.items()
        ],
        diagnosis=diagnosis_lines(summary),
        not_required=[row["message"] for row in rows if not row["asked"]],
        # The pictures of the gates come first: they decide whether a change may be merged.
        pictures=sorted(pictures, key=lambda picture: picture["group"] != "regression"),
    )


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a reader must know to trust the verdict, as (name, text)."""
    rows, subject, dataset = (summary[key] for key in ("requirements", "subject", "dataset"))
    facts = [("Result", row["message"]) for row in rows if row["name"] == "test accuracy"]
    facts += gate_facts(summary)
    if subject:
        text = subject["name"]
        if "file" in subject:
            text += f", trained model {subject['file']}"
        if subject["parameters"]:
            text += f", {show(subject['parameters'])} parameters required by its spec"
        facts += [("Pipeline", text), ("Seed", str(subject["seed"]))]
    if dataset:
        text = f"{dataset['name']}, from {dataset['source']} (SHA-256 {dataset['sha256'][:12]}…)"
        facts.append(("Data", text))
    statuses = [row["status"] if row["asked"] else "not required" for row in rows]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in summary["seconds"].items())
    return [*facts, ("Requirements", counts or "none"), ("Seconds", seconds)]


def gate_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the findings of the gates and their error rates, as (name, sentence)."""
    names = {"recipe": "Recipe gate", "file": "File gate", "rates": "Its error rates"}
    gate = summary["gate"]
    return [(names[key], gate[key]["sentence"]) for key in gate if "sentence" in gate[key]]


def diagnosis_lines(summary: Mapping[str, Any]) -> list[str]:
    """Say which known faults the run looks like, and which checks tell them apart."""
    lines = []
    for row in summary.get("diagnosis", ()):
        line = f"looks like {row['fault']} ({row['likeness']:.2f}): {row['story']}"
        apart = []
        for outcome in row["tells_apart"]:
            check, _, ends = outcome.rpartition(" ")
            apart.append(f'"{check.partition("::test_")[2].replace("_", " ")}" {ends}')
        lines.append(f"{line} If it is this one, {' and '.join(apart)}." if apart else line)
    return lines


def row_cells(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return measured value, requirement and margin of a row of ``verdict.json`` as text."""
    if row["direction"] == "holds":
        return ("", "", "")
    unit, margin = row["unit"], Verdict(**row).margin
    required = f"{row['direction']} {show(row['bound'], unit)}" if row["asked"] else "not required"
    if row["asked"] and row["status"] == "not run":
        required = "not judged"
    distance = "" if margin is None else show_difference(margin, unit)
    return show(row["measured"], unit), required, distance


def escaped(value: Any) -> Any:
    """Escape all text in a value for HTML, also inside lists and mappings."""
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, Mapping):
        return {html.escape(str(key)): escaped(item) for key, item in value.items()}
    return [escaped(item) for item in value] if isinstance(value, list | tuple) else value
