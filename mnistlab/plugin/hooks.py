"""The hooks of the plugin: options, the order of the tests, verdict.json, terminal and page."""

import dataclasses
import html
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pytest_metadata.plugin import metadata_key

from mnistlab import report as reporting
from mnistlab.errors import ContractError, MnistlabError, NotJudgedError, NotRequiredError
from mnistlab.options import DATA, GATES, PIPELINE, add_options
from mnistlab.plugin import suite
from mnistlab.plugin.causes import MARKERS, OWN_CAUSES, causes_first, failure, marks_of
from mnistlab.plugin.checker import MEASUREMENTS, RUN_CONTEXT, Measurements
from mnistlab.plugin.collector import COLLECTOR, VerdictCollector
from mnistlab.spelling import usage_line

PAGE_FILE, VERDICT_FILE = "index.html", "verdict.json"
KNOWN_WARNINGS = (
    # TensorFlow's variables lack NumPy 2's copy keyword; Keras meets that where it saves a model.
    "__array__ implementation doesn't accept a copy keyword",
    # TensorFlow's autograph sets attributes on syntax trees, which Python 3.13 deprecates.
    r".* got an unexpected keyword argument '___pyct_anno'",
)
ALL_TESTS = """<section class="mnistlab"><h3>All tests</h3>
<noscript>The table needs JavaScript. The file verdict.json has the same content.</noscript>
</section>"""
GROUP_ORDER = (
    "dataset", "preparation", "architecture", "prediction", "leaks", "fit", "training", "result",
    "serving", "behaviour", "calibration", "data_quality", "robustness", "regression",
)  # fmt: skip
"""The modules of the suite as they run: what later ones rely on comes first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; ``--strict`` is pytest's own and here also fails a run that is NOT RUN."""
    group = parser.getgroup("mnistlab", "mnistlab: judge a model")
    add_options(group.addoption, *DATA, *PIPELINE, "--report", *GATES)
    text = "names in depends_on that a test outside of this run may provide"
    parser.addini(OWN_CAUSES, text, type="linelist")
    arguments: Any = getattr(parser, "optparser", None)  # argparse's; pytest has no hook for this

    def error(message: str) -> NoReturn:
        """Name the nearest option, in one line."""
        raise pytest.UsageError(usage_line(message, arguments._option_string_actions))

    if arguments is not None:
        arguments.error = error


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start to collect verdicts, and let pytest-html write the page."""
    for message in KNOWN_WARNINGS:
        config.addinivalue_line("filterwarnings", f"ignore:{message}:DeprecationWarning")
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if config.option.collectonly:
        return
    config.stash[COLLECTOR] = collector = VerdictCollector()
    config.pluginmanager.register(collector, "mnistlab-collector")
    if hasattr(config, "workerinput"):
        return
    try:
        reporting.check_writable(Path(config.option.report), PAGE_FILE, VERDICT_FILE)
    except OSError as error:
        raise pytest.UsageError(_not_writable(error.filename, error)) from error
    page = str(Path(config.option.report, PAGE_FILE))
    config.option.htmlpath = config.option.htmlpath or page
    config.option.self_contained_html = True
    config.option.css.append(str(reporting.STYLESHEET))


def _not_writable(path: object, error: OSError) -> str:
    return f"{path}: {error.strerror}; name a writable folder for the report with --report"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the suite after all other tests, in the order of `GROUP_ORDER`, and causes first."""
    judging = {item for item in items if suite.is_quality(item)}
    for item in judging:
        if isinstance(item, pytest.Function):
            item.fixturenames.append("run_context")  # whatever a test uses, say what is judged

    def rank(item: pytest.Item) -> int:
        if item not in judging:
            return -1
        group = suite.group_of(item)
        return GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER)

    ordered = sorted(items, key=rank)
    items.clear()  # should a cause be unknown, nothing is judged, and the last report stays
    items += causes_first(ordered, config.getini(OWN_CAUSES))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Turn mnistlab's errors into outcomes: skip, or fail in one line, and once a broken method."""
    try:
        yield
    except NotJudgedError as reason:
        if isinstance(reason, NotRequiredError):
            item.stash.setdefault(MEASUREMENTS, Measurements()).required = False
        raise pytest.skip.Exception(str(reason)) from None
    except ContractError as error:
        broken = item.config.stash[COLLECTOR].broken_methods
        if error.method in broken:
            raise pytest.skip.Exception(broken[error.method]) from None
        broken[error.method] = failure(error.method, suite.claim_name(item.nodeid))
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    except MnistlabError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Do not run a test that depends on what failed; fixtures raise mnistlab's errors too."""
    collector = item.config.stash[COLLECTOR]
    collector.marks[item.nodeid] = marks_of(item)
    if reason := collector.stopped().get(item.nodeid, ""):
        raise pytest.skip.Exception(reason)
    return (yield from pytest_runtest_call(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what the test measured to its report; JUnit XML leaves such attributes out."""
    report = yield
    if suite.is_quality(item):
        measured = dataclasses.asdict(item.stash.setdefault(MEASUREMENTS, Measurements()))
        context = item.config.stash.get(RUN_CONTEXT, {})
        item.config.stash[RUN_CONTEXT] = {}  # one report of this process brings it, not all
        named = {"group": suite.group_of(item), "marks": [*marks_of(item)]}
        attribute = {**named, **measured, **context}
        if hasattr(item.config, "workerinput"):
            # pytest-xdist sends built-in types only, and a NumPy float64 is none.
            attribute = json.loads(json.dumps(attribute))
        vars(report)["mnistlab"] = attribute
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the verdict; under ``--strict``, fail a run that did not judge everything."""
    config = session.config
    collector = config.stash.get(COLLECTOR, None)
    if collector is None or hasattr(config, "workerinput"):
        return
    if not collector.judged_anything:  # the last page stays
        for plugin in config.pluginmanager.get_plugins():
            if type(plugin).__module__.startswith("pytest_html.") and hasattr(plugin, "css"):
                plugin._report_path = Path(os.devnull)
                config.pluginmanager.unregister(plugin)
        return
    # pytest-html 4.2 does not escape the values of the environment table (issue 1024).
    metadata: dict[str, Any] = config.stash.get(metadata_key, {})
    metadata.update({key: reporting.escaped(value) for key, value in metadata.items()})
    stopped = bool(session.shouldstop or session.shouldfail)
    config.stash[suite.SUMMARY] = summary = collector.summary(stopped)
    path = Path(config.option.report, VERDICT_FILE)
    try:
        reporting.write_atomically(path, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        pytest.exit(_not_writable(path, error), returncode=1)
    accepted = ("PASSED",) if config.getini("strict") else ("PASSED", "NOT RUN")
    if summary["verdict"] not in accepted and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """End with the numbers, the verdict and the path of the page."""
    summary = config.stash.get(suite.SUMMARY, None)
    if summary:
        reporting.write_summary(summary, terminalreporter)
        terminalreporter.write_line(f"Page: {config.option.htmlpath}")


def pytest_html_report_title(report: Any) -> None:
    """Name the page."""
    report.title = "mnistlab: the verdict on a model"


def pytest_html_results_summary(prefix: list[str], session: pytest.Session) -> None:
    """Put the verdict and the pictures above the table of tests."""
    summary = session.config.stash.get(suite.SUMMARY, None)
    if summary:
        pictures = session.config.stash[COLLECTOR].pictures
        prefix += [reporting.summary_html(summary, pictures), ALL_TESTS]


def pytest_html_results_table_header(cells: list[str]) -> None:
    """Add three columns to the table of tests."""
    cells[2:2] = ["<th>Measured</th>", "<th>Required</th>", "<th>Margin</th>"]


def pytest_html_results_table_row(report: pytest.TestReport, cells: list[str]) -> None:
    """Fill them, and escape the test's name, which pytest-html 4.2 does not (issue 1024)."""
    phase = "" if report.when == "call" else f"::{report.when}"
    cells[1] = f'<td class="col-testId">{html.escape(report.nodeid + phase)}</td>'
    verdicts = getattr(report, "mnistlab", {}).get("verdicts", ())
    texts = reporting.row_cells(verdicts[-1]) if verdicts else ("", "", "")
    cells[2:2] = [f"<td>{html.escape(text)}</td>" for text in texts]
