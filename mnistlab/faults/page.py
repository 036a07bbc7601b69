"""What a campaign writes: a page for people, JSON for programs, and Markdown with a picture for the docs."""

import html
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mnistlab.faults.catalogue import NOT_APPLICABLE
from mnistlab.faults.catalogue.registry import Entry
from mnistlab.faults.figures import kill_matrix
from mnistlab.faults.summary import Summary, is_caught_by, is_expected
from mnistlab.faults.trial import Trial
from mnistlab.report import write_atomically
from mnistlab.report.figures import png

Row = tuple[Entry, Trial]
FILES = ("faults.json", "index.html")
DOCS = ("faults.md", "faults.png")
HEADS = (
    "name",
    "how it happens",
    "source",
    "caught first by",
    "as expected",
    "accuracy",
    "seconds",
)
LONGEST = 300
"""Characters of a message on the page; faults.json has all."""
STYLE = """
body { max-width: 1240px; margin: 0 auto; padding: 0 20px 40px; font: 14px/1.45 sans-serif; color: #333; }
table { border-collapse: collapse; }
.results th, .results td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0;
                           border-bottom: 1px solid #ddd; font-size: 13px; overflow-wrap: anywhere; }
.results thead th, .results td:first-child { white-space: nowrap; }
.results tr.wrong { background: #fbe3da; }
img { max-width: 100%; }
"""


def write(
    summary: Summary, about: Mapping[str, str], folder: Path, docs: Path | None = None
) -> Path:
    """Write page and JSON to a folder, and Markdown with a picture to another; each to the side first.

    `about` is what a reader must know of the campaign, name -> text. Returns the page's path.
    """
    found = {**summary.as_dict(), "about": dict(about)}
    write_atomically(folder / FILES[0], json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    write_atomically(folder / FILES[1], page(summary, about))
    if docs:
        write_atomically(docs / DOCS[0], markdown(summary, about))
        (docs / DOCS[1]).write_bytes(png(kill_matrix(summary)))
    return folder / FILES[1]


def page(summary: Summary, about: Mapping[str, str]) -> str:
    """Write the page; all text from outside is escaped."""
    kind, word = ("passed", "ALL CAUGHT") if summary.ok else ("failed", "NOT ALL WELL")
    head, *lines = summary.sentences() or ["nothing was tried"]
    css = (Path(__file__).parents[1] / "report" / "page.css").read_text(encoding="utf-8")
    facts = "".join(
        f"<tr><th>{_safe(name.capitalize())}</th><td>{_safe(text)}</td></tr>"
        for name, text in about.items()
    )
    parts = [
        f'<div class="verdict {kind}"><strong>{word}</strong> {_safe(head)}</div>',
        f'<ul>{"".join(f"<li>{_safe(line)}</li>" for line in lines)}</ul><table class="facts">{facts}</table>',
        _section("Not caught", summary.survivors),
        _section("Healthy controls that did not pass", summary.false_positives),
        _section("Caught first by another check than the expected one", summary.unexpected),
        "<h3>Who catches what</h3>",
        f'<img alt="Fault by check" src="data:image/png;base64,{b64encode(png(kill_matrix(summary))).decode()}"/>',
        _listed(
            "checks failed nowhere",
            [check for check in summary.checks if check not in summary.failing],
        ),
        _listed(
            "operators of DeepCrime have no fault here",
            [f"{name}: {why}" for name, why in NOT_APPLICABLE.items()],
        ),
        _section("Every fault", summary.faults),
        _section("Every healthy control", summary.controls),
    ]
    title = "mnistlab: the suite against broken pipelines"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{css}{STYLE}</style>'
        f'</head><body><h1>{title}</h1><section class="mnistlab">{"".join(parts)}</section></body></html>\n'
    )


def _listed(what: str, texts: Sequence[str]) -> str:
    items = "".join(f"<li>{_safe(text)}</li>" for text in texts)
    return (
        f"<details><summary>{len(texts)} {what}</summary><ul>{items}</ul></details>"
        if texts
        else ""
    )


def _section(title: str, rows: Sequence[Row]) -> str:
    """Write a table of entries with what became of them; nothing, if there are none."""
    if not rows:
        return ""
    heads = "".join(f"<th>{head.capitalize()}</th>" for head in (*HEADS, "message"))
    body = "".join(_row(*row) for row in rows)
    title = f"<h3>{_safe(title)} ({len(rows)})</h3>"
    return f'{title}<table class="results"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def _row(entry: Entry, trial: Trial) -> str:
    """Write a row; where the mouse rests on it, all checks that failed are shown."""
    wrong = trial.status != ("caught" if entry.is_fault else "passed")
    texts = (*_cells(entry, trial, _claim), trial.message[:LONGEST])
    failed = ", ".join(check for check in trial.checks if is_caught_by(trial, check))
    cells = "".join(f"<td>{_safe(text)}</td>" for text in texts)
    return f'<tr title="{_safe(failed)}"{" class=wrong" if wrong else ""}>{cells}</tr>'


def _cells(entry: Entry, trial: Trial, shown: Callable[[str], str]) -> list[str]:
    """Return the texts of a row under `HEADS`; `shown` writes the name of a check."""
    first = shown(trial.first) if trial.first else trial.status
    fits = (
        ""
        if not entry.is_fault
        else "yes"
        if is_expected(entry, trial)
        else f"no: {shown(entry.expected)}"
    )
    accuracy = "" if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %"
    return [entry.name, entry.how, entry.source, first, fits, accuracy, f"{trial.seconds:.1f}"]


def _claim(check: str) -> str:
    return check.replace("::", ": ").replace("test_", "", 1).replace("_", " ")


def markdown(summary: Summary, about: Mapping[str, str]) -> str:
    """Write the docs' page."""
    lines = ["# The suite against broken pipelines", "", "Made by `mnistlab faults`.", ""]
    lines += [f"- {line}" for line in summary.sentences()]
    lines += [f"- {name}: {text}" for name, text in about.items()]
    lines += ["", "![Fault by check: who catches what](faults.png)"]
    for title, rows in (
        ("Faults:", summary.faults),
        ("Healthy controls, which must pass:", summary.controls),
    ):
        lines += ["", title, "", _markdown_row(HEADS), f"|{'---|' * len(HEADS)}"]
        lines += [_markdown_row(_cells(entry, trial, "`{}`".format)) for entry, trial in rows]
    lines += ["", "Operators of DeepCrime without a subject in the published recipe:", ""]
    return "\n".join(
        [*lines, *(f"- {operator} {reason}" for operator, reason in NOT_APPLICABLE.items()), ""]
    )


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |"


def _safe(text: str) -> str:
    return html.escape(text)
