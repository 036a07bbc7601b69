"""The pytest plugin: options, the order of the tests, and the report."""

import html
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mnistlab.errors import ContractError, NotJudgedError, NotRequiredError
from mnistlab.options import add_data_options, add_pipeline_options, add_report_option
from mnistlab.plugin.collector import NOT_REQUIRED, VerdictCollector, group_of, is_quality
from mnistlab.report import check_writable, row_cells, write_atomically
from mnistlab.report import page as report

COLLECTOR = pytest.StashKey[VerdictCollector]()
SUMMARY = pytest.StashKey[Mapping[str, Any]]()
REPORTED = pytest.StashKey[set[str]]()
PAGE = "index.html"
VERDICT = "verdict.json"
KNOWN_WARNINGS = (
    # TensorFlow's variables do not know the copy keyword of NumPy 2; Keras meets that where it saves a model.
    "__array__ implementation doesn't accept a copy keyword",
    # TensorFlow's autograph hangs attributes on syntax trees, which Python 3.13 calls deprecated.
    r".* got an unexpected keyword argument '___pyct_anno'",
)
GROUPS = (
    *(
        "dataset",
        "preparation",
        "architecture",
        "prediction",
        "fit",
        "training",
        "result",
        "serving",
    ),
    *("behaviour", "calibration", "data_quality", "robustness", "regression"),
)
"""The modules of the suite in the order in which they run: what the later ones rely on comes first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a run can be told; ``--strict`` is pytest's own, and here also fails a run that is NOT RUN."""
    group = parser.getgroup("mnistlab", "mnistlab: judge a model")
    add_data_options(group.addoption)
    add_pipeline_options(group.addoption)
    add_report_option(group.addoption)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-html write the page, and gather what it shows."""
    for known in KNOWN_WARNINGS:
        config.addinivalue_line("filterwarnings", f"ignore:{known}:DeprecationWarning")
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(VerdictCollector(), "mnistlab-collector")
        return
    if config.option.collectonly:
        return
    try:
        check_writable(Path(config.option.report), PAGE, VERDICT)
    except OSError as error:
        raise pytest.UsageError(_unwritable(error.filename, error)) from error
    config.stash[COLLECTOR] = VerdictCollector()
    config.pluginmanager.register(config.stash[COLLECTOR], "mnistlab-collector")
    if not config.option.htmlpath:
        config.option.htmlpath = str(Path(config.option.report, PAGE))
    config.option.self_contained_html = True
    config.option.css.append(str(Path(__file__).parents[1] / "report" / "page.css"))


def _unwritable(path: object, error: OSError) -> str:
    return f"{path}: {error.strerror}; name a folder for the report that can be written to, with --report"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the suite, and run them in the order of `GROUPS` behind all others."""
    for item in items:
        if is_quality(item):
            item.user_properties.append(("mnistlab.group", json.dumps(group_of(item))))
            if isinstance(item, pytest.Function) and "check" not in item.fixturenames:
                item.fixturenames.append(
                    "check"
                )  # it says what is judged, and by which spec: every test must
    items.sort(key=lambda item: GROUPS.index(_group(item)) if _group(item) in GROUPS else -1)


def _group(item: pytest.Item) -> str:
    return next(
        (json.loads(str(value)) for key, value in item.user_properties if key == "mnistlab.group"),
        "",
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave the last page alone when the run judges nothing."""
    if COLLECTOR in session.config.stash:
        session.config.stash[COLLECTOR].collected = any(_group(item) for item in session.items)
        _keep_last_page(session.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail the first test that meets a method's broken promise; skip later ones, and what cannot be judged at all."""
    try:
        yield
    except NotRequiredError as reason:
        raise pytest.skip.Exception(f"{NOT_REQUIRED}{reason}") from None
    except NotJudgedError as reason:
        raise pytest.skip.Exception(str(reason)) from None
    except ContractError as error:
        reported = item.config.stash.setdefault(REPORTED, set())
        if error.method in reported:
            raise pytest.skip.Exception(
                f"{error.method} does not do what it must, see above"
            ) from None
        reported.add(error.method)
        raise pytest.fail.Exception(str(error), pytrace=False) from None


pytest_runtest_setup = pytest_runtest_call  # where a fixture meets it


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Leave the last page alone under pytest-xdist too, whose workers collect the tests."""
    try:
        return (yield)
    finally:
        _keep_last_page(session.config)


def _keep_last_page(config: pytest.Config) -> None:
    """Have pytest-html write no page if the run judges nothing, as is known where and when tests are collected."""
    if COLLECTOR in config.stash and not config.stash[COLLECTOR].judged_anything:
        for plugin in config.pluginmanager.get_plugins():
            if type(plugin).__module__.startswith("pytest_html.") and hasattr(plugin, "css"):
                config.pluginmanager.unregister(plugin)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the verdict; under ``--strict``, fail a run that did not judge everything."""
    record = session.config.stash.get(COLLECTOR, None)
    if record is None or not record.judged_anything:
        return
    _escape_metadata(session.config)
    summary = record.summary()
    session.config.stash[SUMMARY] = summary
    path = Path(session.config.option.report, VERDICT)
    try:
        write_atomically(path, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        pytest.exit(_unwritable(path, error), returncode=1)
    fails = summary["verdict"] == "FAILED" or (
        summary["verdict"] == "NOT RUN" and session.config.getini("strict")
    )
    if fails and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _escape_metadata(config: pytest.Config) -> None:
    """Escape what pytest-html 4.2 puts on the page as it is (its issue 1024), but for the keys, which it escapes."""
    from pytest_metadata.plugin import metadata_key

    metadata: dict[str, Any] = config.stash.get(metadata_key, {})
    metadata.update({key: report.escaped(value) for key, value in metadata.items()})


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """End with the numbers, the verdict and where the page is."""
    summary = config.stash.get(SUMMARY, None)
    if summary is None:
        return
    terminalreporter.section("mnistlab")
    terminalreporter.write_line(report.terminal_table(summary, terminalreporter._tw.fullwidth))
    note = summary["dataset"].get("note")
    if note:
        terminalreporter.write_line(f"This is not a verdict on MNIST: {note}", yellow=True)
    colour = {"PASSED": {"green": True}, "FAILED": {"red": True}}.get(
        summary["verdict"], {"yellow": True}
    )
    terminalreporter.write_line(
        f"{summary['verdict']}: {report.headline(summary)}", bold=True, **colour
    )
    terminalreporter.write_line(f"Page: {config.option.htmlpath}")


def pytest_html_report_title(report: Any) -> None:
    """Name the page."""
    report.title = "mnistlab: the verdict on a model"


def pytest_html_results_summary(prefix: list[str], session: pytest.Session) -> None:
    """Put the verdict and the pictures above the table of tests."""
    if SUMMARY in session.config.stash:
        prefix.append(
            report.page(session.config.stash[SUMMARY], session.config.stash[COLLECTOR].pictures)
        )


def pytest_html_results_table_header(cells: list[str]) -> None:
    """Add the columns of a measurement."""
    cells[2:2] = ["<th>Measured</th>", "<th>Required</th>", "<th>Margin</th>"]


def pytest_html_results_table_row(report: pytest.TestReport, cells: list[str]) -> None:
    """Fill them, and escape the test's name, which pytest-html leaves as it is."""
    phase = "" if report.when == "call" else f"::{report.when}"
    cells[1] = f'<td class="col-testId">{html.escape(report.nodeid + phase)}</td>'
    cells[2:2] = row_cells(getattr(report, "user_properties", ()))
