"""What a run writes: verdict.json, the page, the terminal and the exit code.

Each test runs a small suite through pytest's pytester, on a made-up dataset and without a model.
"""

import html
import importlib
import json
import operator
import os
import pty
import re
import subprocess
import sys
import textwrap
from html.parser import HTMLParser

import pytest

from mnistlab.plugin import load_symptoms

pytest_plugins = ["pytester"]
for module in ("rich.console", "rich.table", "rich.text", "mnistlab.report.figures"):
    importlib.import_module(module)  # pytester forgets what its runs import: each would do it again

OPTIONS = (
    "-p",
    "mnistlab.plugin",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:cacheprovider",
    "--import-mode=importlib",
)
SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
FIXTURES = """
    import numpy as np
    import pytest
    from mnistlab.data import Dataset
    from mnistlab.gate import HealthyRange
    from mnistlab.loading import CheckedPipeline
    from mnistlab.recipe import Pipeline, Spec
    from mnistlab.requirement import Requirement

    ACCURACY = Requirement(
        "test accuracy", "result", 0.9, "at least", "fraction", "a source", "look here"
    )
    LOSS = Requirement("test loss", "result", 0.5, "at most", "nats", "a source")

    class Fake(Pipeline):
        name = "fake"
        spec = Spec(bounds=(ACCURACY, LOSS))

    @pytest.fixture(scope="session")
    def dataset():
        images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
        return Dataset("made up", SOURCE, "0" * 64, images, labels, images, labels, NOTE)

    @pytest.fixture(scope="session")
    def pipeline():
        return CheckedPipeline(Fake(), Fake.spec)

    class Accepted:
        figures = {"Brier score": HealthyRange(0.04, 0.003, None, 0.05, "root", 32)}
        not_judged = ("result::test_of_keras[1]",)

    @pytest.fixture(scope="session")
    def accepted_state():
        return Accepted()
"""
HEALTHY = """
    def test_accuracy(check):
        check.within_healthy_range(
            "test accuracy", 0.95, worse="lower", unit="fraction", detail="n = 100"
        )

    def test_loss(check):
        check.within_healthy_range("test loss", 0.25, worse="higher")

    def test_claims_hold(check):
        pass
"""


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Give every run the same terminal width, and pytest's uncut summary, as under CI."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("CI", "true")


class Run:
    """One run of a suite in a folder called quality, and what it left behind."""

    def __init__(
        self, pytester, suite, *arguments, source="a test", note="", name="test_result.py"
    ):
        folder = pytester.path / "quality"
        folder.mkdir(exist_ok=True)
        constants = f"SOURCE, NOTE = {source!r}, {note!r}\n"
        (folder / "conftest.py").write_text(constants + textwrap.dedent(FIXTURES), encoding="utf-8")
        (folder / name).write_text(textwrap.dedent(suite), encoding="utf-8")
        self.folder = pytester.path / "report"
        self.result = pytester.runpytest_inprocess(*OPTIONS, *arguments, no_reraise_ctrlc=True)
        self.code, self.output = int(self.result.ret), self.result.stdout.str()

    @property
    def summary(self):
        """Read verdict.json, which must be strict JSON."""
        return json.loads(
            (self.folder / "verdict.json").read_text(encoding="utf-8"), parse_constant=pytest.fail
        )

    @property
    def verdict(self):
        """Return the verdict on the run."""
        return self.summary["verdict"]

    @property
    def page(self):
        """Read the page."""
        return (self.folder / "index.html").read_text(encoding="utf-8")

    def row(self, name):
        """Return the one requirement with this name."""
        rows = [row for row in self.summary["requirements"] if row["name"] == name]
        assert len(rows) == 1, f"{len(rows)} rows are named {name!r}"
        return rows[0]


class Elements(HTMLParser):
    """Collects the elements of a piece of HTML with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        """Collect an element."""
        self.found.append((tag, dict(attributes)))

    def named(self, tag):
        """Return the attributes of each element with this name."""
        return [attributes for name, attributes in self.found if name == tag]


def table_of(page):
    """Return what pytest-html's script will render: the JSON in an attribute of the page."""
    blobs = [
        attributes["data-jsonblob"]
        for attributes in Elements(page).named("div")
        if "data-jsonblob" in attributes
    ]
    assert len(blobs) == 1
    return json.loads(blobs[0])


def pieces_of_html(data):
    """Return what pytest-html's script sets as innerHTML: cells, logs, environment values."""
    tests = [test for found in data["tests"].values() for test in found]
    yield from (cell for test in tests for cell in test["resultsTableRow"])
    yield from (test["log"] for test in tests)
    nodes = list(data["environment"].values())
    for node in nodes:
        if isinstance(node, dict):
            nodes += [*node.keys(), *node.values()]
        elif isinstance(node, list):
            nodes += node
        else:
            yield str(node)


def assert_nothing_foreign_runs(page):
    """Assert that pytest-html's own script is the only one, also in the table that it renders."""
    own = Elements(page)
    assert len(own.named("script")) == 1
    assert not [name for _, attributes in own.found for name in attributes if name == "onerror"]
    for piece in pieces_of_html(table_of(page)):
        assert {tag for tag, _ in Elements(piece).found} <= {"td", "a", "span", "br"}, piece


def without_times(summary):
    return {key: value for key, value in summary.items() if key != "seconds"}


def page_without_times(page):
    page = re.sub(r"\d+ ms|\d\d:\d\d:\d\d|\d\d-\w{3}-\d{4}", "TIME", page)
    return re.sub(r"<th>Seconds</th><td>.*?</td>", "", page)


def test_a_run_in_which_all_is_well_has_passed(pytester):
    run = Run(pytester, HEALTHY, "--strict")
    assert (run.code, run.verdict) == (0, "PASSED")
    assert {row["status"] for row in run.summary["requirements"]} == {"passed"}
    assert run.row("test accuracy")["test"] == "quality/test_result.py::test_accuracy"
    assert run.row("claims hold")["measured"] is True


def test_a_number_that_passed_is_in_verdict_json_and_on_the_page(pytester):
    run = Run(pytester, HEALTHY)
    row = run.row("test accuracy")
    assert (row["measured"], row["bound"], row["direction"], row["unit"]) == (
        0.95,
        0.9,
        "at least",
        "fraction",
    )
    assert (row["status"], row["source"]) == ("passed", "a source")
    assert row["message"] == "test accuracy: measured 95.00 %, required at least 90.00 % (n = 100)"
    cells = table_of(run.page)["tests"]["quality/test_result.py::test_accuracy"][0][
        "resultsTableRow"
    ]
    assert cells[2:5] == ["<td>95.00 %</td>", "<td>at least 90.00 %</td>", "<td>5.00 points</td>"]
    assert row["message"] in run.page


def test_a_number_that_failed_is_there_too_and_fails_the_run(pytester):
    run = Run(pytester, HEALTHY.replace("0.95", "0.85"))
    message = (
        "test accuracy: measured 85.00 %, required at least 90.00 %, missed by 5.00 points; "
        "look here (n = 100)"
    )
    assert (run.code, run.verdict) == (1, "FAILED")
    assert run.row("test accuracy")["status"] == "failed"
    assert run.row("test accuracy")["message"] == message
    assert f"<h3>Failed (1)</h3>\n<ul>\n<li>{message}</li>\n</ul>" in run.page
    assert message in run.output


def test_a_failed_run_names_the_known_fault_that_it_looks_like(pytester):
    suite = "def test_other_images_get_other_predictions(check): assert False"
    run = Run(pytester, suite, name="test_prediction.py")
    best = run.summary["diagnosis"][0]
    check = "prediction::test_other_images_get_other_predictions"
    assert best["fault"] in {each.fault for each in load_symptoms("mnist") if check in each.failed}
    line = f"looks like {best['fault']} ({best['likeness']:.2f}): {best['story']}"
    assert f"<li>{line}" in run.page
    assert line in run.output
    stopped = Run(pytester, suite, "-x", name="test_prediction.py")
    assert stopped.verdict == "FAILED"
    assert stopped.summary["diagnosis"] == []


def test_a_scalar_of_numpy_can_be_judged(pytester):
    run = Run(
        pytester,
        "import numpy as np\n" + textwrap.dedent(HEALTHY).replace("0.25", "np.float32(0.25)"),
    )
    assert (run.code, run.row("test loss")["measured"]) == (0, 0.25)


def test_a_number_that_is_nan_fails_and_verdict_json_stays_json(pytester):
    run = Run(pytester, HEALTHY.replace("0.25", "float('nan')"))
    assert (run.code, run.verdict, run.row("test loss")["measured"]) == (1, "FAILED", "nan")


def test_a_claim_that_does_not_hold_fails_the_run_with_its_message(pytester):
    run = Run(pytester, HEALTHY.replace("pass", "assert False, 'row 3 is not one-hot'"))
    assert (run.code, run.verdict, run.row("claims hold")["status"]) == (1, "FAILED", "failed")
    assert "row 3 is not one-hot" in run.row("claims hold")["message"]


def test_a_claim_that_breaks_after_its_number_passed_fails_the_run(pytester):
    broken = HEALTHY.replace('worse="higher")', 'worse="higher"); assert False, "broken"')
    run = Run(pytester, broken)
    assert (run.verdict, run.row("test loss")["status"], run.row("loss")["status"]) == (
        "FAILED",
        "passed",
        "failed",
    )


def test_a_skipped_test_is_not_run_with_its_reason_and_fails_a_strict_run_only(pytester):
    suite = HEALTHY.replace("pass", "import pytest; pytest.skip('no second machine')")
    run = Run(pytester, suite)
    assert (run.code, run.verdict, run.row("claims hold")["status"]) == (0, "NOT RUN", "not run")
    assert run.row("claims hold")["message"] == "claims hold: not judged; no second machine"
    assert "<h3>Not judged (1)</h3>" in run.page
    assert Run(pytester, suite, "--strict").code == 1


def test_deselected_tests_and_the_bounds_that_they_judge_are_not_run(pytester):
    run = Run(pytester, HEALTHY, "-k", "accuracy or unheard-of")
    assert (run.code, run.verdict) == (0, "NOT RUN")
    assert (
        run.row("claims hold")["message"]
        == "claims hold: not judged; deselected on the command line"
    )
    assert run.row("test loss")["message"] == "test loss: not judged; no test of this run judged it"
    assert run.row("test accuracy")["status"] == "passed"


def test_a_bound_that_no_test_judged_is_not_run_even_if_no_test_judges_any(pytester):
    run = Run(pytester, "def test_claims_hold(check): pass")
    assert (run.code, run.verdict) == (0, "NOT RUN")
    assert {
        name: run.row(name)["status"] for name in ("test accuracy", "test loss", "claims hold")
    } == {
        "test accuracy": "not run",
        "test loss": "not run",
        "claims hold": "passed",
    }
    assert run.summary["subject"]["name"] == "fake"


def test_a_stated_bound_that_nothing_measures_is_not_run_and_names_similar_ones(pytester):
    run = Run(pytester, HEALTHY.replace('"test loss"', '"the test loss"'))
    assert (run.code, run.verdict) == (0, "NOT RUN")
    assert run.row("test loss")["message"] == (
        "test loss: not judged; no test of this run judged it; similar names: the test loss"
    )


def test_a_number_beyond_its_accepted_range_fails_the_run(pytester):
    more = "    def test_more(check):\n        check.within_healthy_range({})\n"
    suite = HEALTHY + more.format('"Brier score", 0.06, worse="higher", advice="look here"')
    run = Run(pytester, suite)
    row = run.row("Brier score")
    assert (run.code, run.verdict, row["status"], row["group"]) == (1, "FAILED", "failed", "result")
    assert row["message"] == (
        "Brier score: measured 0.06, required at most 0.05, missed by 0.01; look here"
    )
    assert row["source"].startswith("mean 0.04 (sd 0.003) of 32 healthy seeds")


def test_what_could_not_be_judged_when_it_was_accepted_does_not_hold_the_run_down(pytester):
    suite = (
        HEALTHY
        + """
    @pytest.mark.parametrize("case", [1, 2])
    def test_of_keras(check, case):
        pytest.skip("it is no Keras model")
    """
    )
    suite = "import pytest\n" + textwrap.dedent(suite)
    run = Run(pytester, suite, "--strict", "--deselect", "quality/test_result.py::test_of_keras[2]")
    assert not run.row("of keras[1]")["asked"]
    run = Run(pytester, suite, "--strict")
    assert (run.code, run.verdict) == (1, "NOT RUN")
    assert [run.row(f"of keras[{case}]")["asked"] for case in (1, 2)] == [False, True]
    assert run.row("of keras[1]")["message"] == (
        "of keras[1]: not judged; it is no Keras model; nor was it when the result was accepted"
    )
    assert "<summary>Not required (1)</summary>" in run.page


def test_a_new_number_is_shown_and_the_run_can_still_pass(pytester):
    more = "    def test_more(check):\n        check.within_healthy_range({})\n"
    run = Run(pytester, HEALTHY + more.format('"confidence", 0.25, worse="lower"'), "--strict")
    row = run.row("confidence")
    assert (run.code, run.verdict, row["status"], row["measured"], row["asked"]) == (
        0,
        "PASSED",
        "not run",
        0.25,
        False,
    )
    reason = "new: measured, not in the accepted state; accept again to judge it"
    assert row["message"] == f"confidence: measured 0.25, not judged; {reason}"
    assert "<summary>Not required (1)</summary>" in run.page
    assert "<h3>Not judged" not in run.page
    assert f"not judged, confidence: {reason}" in run.output


BROKEN = """
    import pytest
    from mnistlab.errors import ContractError, NotRequiredError, NotJudgedError

    @pytest.fixture(scope="module")
    def prepared():
        raise ContractError("fit", "returned None; required a dict")

    def test_first(check, prepared): pass
    def test_second(check): raise ContractError("fit", "raised ValueError: x (mine.py, line 3)")
    def test_other(check): raise ContractError("predict", "returned None")
    def test_keras(check): raise NotJudgedError("it is no Keras model")
    def test_layers(check): raise NotRequiredError("the spec promises no layers")
"""


def test_a_broken_method_fails_one_test_without_a_traceback(pytester):
    run = Run(pytester, BROKEN)
    assert (run.code, run.verdict) == (1, "FAILED")
    assert (
        run.row("first")["message"] == "first: does not hold (fit returned None; required a dict)"
    )
    reason = "depends on fit, which failed: first"
    assert run.row("second")["message"] == f"second: not judged; {reason}"
    assert run.row("other")["message"] == "other: does not hold (predict returned None)"
    details, _, summary = run.output.partition("short test summary info")
    assert details.count("fit returned None; required a dict") == 1
    assert summary.count("fit returned None; required a dict") == 1
    assert "During handling" not in run.output
    assert "test_result.py:" not in run.output.partition("mnistlab =")[0], (
        "a line of the suite does not help the user"
    )


def test_what_cannot_be_judged_is_not_run_and_what_is_not_required_does_not_count(pytester):
    run = Run(pytester, BROKEN, "-k", "keras or layers")
    assert (run.row("keras")["status"], run.row("keras")["asked"]) == ("not run", True)
    assert run.row("keras")["message"] == "keras: not judged; it is no Keras model"
    assert (run.row("layers")["status"], run.row("layers")["asked"]) == ("not run", False)
    assert run.row("layers")["message"] == "layers: not judged; the spec promises no layers"
    suite = textwrap.dedent(HEALTHY) + textwrap.dedent(BROKEN)
    assert (
        Run(pytester, suite, "-k", "accuracy or loss or claims or layers").verdict == "NOT RUN"
    )  # deselected


def test_workers_of_xdist_send_verdicts_pictures_and_context(pytester):
    pytest.importorskip("xdist")
    more = """
    def test_picture(check):
        from matplotlib.figure import Figure
        import numpy as np
        check.gate("recipe", {"degradation": np.float64(0.5), "seeds": (1, 2)})
        check.timed("recipe gate", np.float64(1.234))
        check.picture("A title", "A caption", Figure((1, 1)))
    """
    broken = pytester.mkdir("quality") / "test_serving.py"
    broken.write_text(textwrap.dedent(BROKEN), encoding="utf-8")
    before = without_times(Run(pytester, HEALTHY + more).summary)
    run = Run(pytester, HEALTHY + more, "-n2", "--dist=loadfile")
    key = operator.itemgetter("test")
    after = without_times(run.summary)
    assert sorted(after.pop("requirements"), key=key) == sorted(before.pop("requirements"), key=key)
    assert after == before
    assert (run.row("first")["status"], run.row("second")["status"]) == ("failed", "not run")
    assert run.summary["seconds"]["recipe gate"] == 1.23
    assert run.page.count('<img alt="A title"') == 1


def test_junit_xml_holds_no_properties_of_ours(pytester):
    run = Run(pytester, HEALTHY, "--junitxml=junit.xml", "-o", "junit_family=xunit2", "-Werror")
    assert run.code == 0
    assert "<propert" not in (pytester.path / "junit.xml").read_text(encoding="utf-8")


def test_progress_is_one_line_on_a_terminal_and_nothing_elsewhere(pytester):
    suite = """
    from mnistlab.plugin.gate_fixtures import progress

    def test_a(): pass

    def test_b(pytestconfig):
        with progress(pytestconfig) as show:
            show("epoch 1")
            show("epoch 2")
    """
    assert "epoch" not in Run(pytester, suite).output
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "pytest", *OPTIONS, "-q"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=terminal, stderr=terminal, cwd=pytester.path, env=environment
    ) as process:
        os.close(terminal)
        chunks = iter(lambda: read_or_end(controller), b"")
        shown = b"".join(chunks).decode()
    os.close(controller)
    assert process.returncode == 0
    first, second = shown.index("\repoch 1 "), shown.index("\repoch 2 ")
    assert shown.index(".") < first < second
    assert shown.count("epoch") == 2


def read_or_end(descriptor):
    """Read from a terminal, whose end is an error on Linux."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


@pytest.mark.parametrize(
    "place", ["raise OSError('disk full')\n    yield", "yield\n    raise OSError('disk full')"]
)
def test_an_error_in_a_fixture_fails_the_run_before_and_after_its_test(pytester, place):
    fixture = f"import pytest\n@pytest.fixture\ndef broken():\n    {place}\n"
    broken = textwrap.dedent(HEALTHY).replace("hold(check)", "hold(check, broken)")
    run = Run(pytester, fixture + broken)
    assert (run.code, run.verdict, run.row("claims hold")["status"]) == (1, "FAILED", "failed")
    assert "disk full" in run.row("claims hold")["message"]


def test_a_module_of_the_suite_that_cannot_be_imported_fails_the_run(pytester, monkeypatch):
    monkeypatch.setattr("mnistlab.plugin.collector.suite_folder", lambda: pytester.path / "quality")
    run = Run(pytester, "import no_such_module")
    assert (run.code, run.verdict) == (2, "FAILED")
    assert (
        "No module named 'no_such_module'" in run.row("test_result.py can be collected")["message"]
    )
    assert "<h3>Failed (1)</h3>" in run.page


def test_a_run_of_other_tests_only_leaves_the_last_page_alone(pytester):
    first = Run(pytester, HEALTHY)
    before = first.page, first.summary
    pytester.mkdir("unit")
    unit = pytester.path / "unit" / "test_unit.py"
    unit.write_text(
        "def test_a(): pass\ndef test_stop(): raise KeyboardInterrupt\n", encoding="utf-8"
    )
    for arguments in (
        ("unit", "-k", "test_a"),
        ("unit",),
        (".", "-k", "test_a and not accuracy"),
        ("no-such-folder",),
    ):
        run = Run(pytester, HEALTHY, *arguments)
        assert (run.page, run.summary) == before
        assert "Page:" not in run.output


def test_a_run_of_other_tests_only_writes_no_page(pytester):
    pytester.makepyfile("def test_a(): pass")
    result = pytester.runpytest_inprocess(*OPTIONS)
    result.assert_outcomes(passed=1)
    assert list((pytester.path / "report").iterdir()) == []


def test_scripts_from_outside_do_not_run_in_the_page(pytester):
    suite = f"""
        import pytest

        @pytest.mark.parametrize("x", [1, 2], ids=["{SCRIPT}", "{html.escape(IMAGE)}"])
        def test_id(check, x):
            print("{IMAGE}")

        def test_message(check):
            assert not "{SCRIPT}{IMAGE}", "{SCRIPT}{IMAGE}"

        def test_recorded(check):
            check.within_healthy_range(
                "test accuracy", "{SCRIPT}", worse="lower", detail="{IMAGE}"
            )

        def test_skipped(check):
            pytest.skip("{IMAGE}")

        def test_picture(check):
            picture = dict(title='"{IMAGE}', caption="{IMAGE}", png='"{IMAGE}')
            check.measurements.pictures.append(picture)
    """
    nested = json.dumps({"nested": {IMAGE: [SCRIPT]}})
    metadata = (
        "--metadata",
        "name",
        SCRIPT,
        "--metadata",
        IMAGE,
        IMAGE,
        "--metadata-from-json",
        nested,
    )
    run = Run(pytester, suite, *metadata, source=SCRIPT, note=IMAGE)
    assert run.verdict == "FAILED"
    assert_nothing_foreign_runs(run.page)
    assert html.escape(SCRIPT) in run.page
    assert SCRIPT in run.row("message")["message"]


def test_what_a_fixture_adds_to_the_metadata_does_not_run_either(pytester):
    suite = (
        textwrap.dedent(HEALTHY)
        .replace("hold(check)", "hold(check, metadata)")
        .replace("pass", f"metadata['x'] = '{IMAGE}'")
    )
    run = Run(pytester, suite)
    assert table_of(run.page)["environment"]["x"] == html.escape(IMAGE)
    assert_nothing_foreign_runs(run.page)


def test_the_page_loads_nothing(pytester):
    picture = """
    def test_picture(check):
        from matplotlib.figure import Figure
        check.picture("A title", "A caption", Figure((1, 1)))
    """
    page = Run(pytester, HEALTHY + picture).page
    elements = Elements(page)
    assert not elements.named("link")
    assert not elements.named("iframe")
    assert [script for script in elements.named("script") if "src" in script] == []
    sources = [image["src"] for image in elements.named("img") if image["src"]]
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,iVBOR")
    assert '<img alt="A title"' in page
    assert "A caption" in page
    style = page[page.index("<style") : page.index("</style>")]
    assert not re.findall(r"@import|url\((?!['\"]?data:)", style)
    assert len(page) < 200_000


def test_two_runs_differ_in_nothing_but_times(pytester):
    suite = HEALTHY.replace("0.25", "0.75")
    first = Run(pytester, suite)
    page, summary = first.page, first.summary
    second = Run(pytester, suite)
    assert without_times(second.summary) == without_times(summary)
    assert page_without_times(second.page) == page_without_times(page)


def test_a_dataset_that_cannot_be_read_ends_the_run_with_one_line(pytester):
    quality = pytester.mkdir("quality")
    (quality / "test_dataset.py").write_text(
        "def test_a(check): pass\ndef test_b(check): pass\n", encoding="utf-8"
    )
    result = pytester.runpytest_inprocess(*OPTIONS, "--mnist-data", "no-such-folder")
    assert result.ret == 1
    assert (
        len(
            [
                line
                for line in result.outlines + result.errlines
                if "no-such-folder: No such file" in line
            ]
        )
        == 1
    )
    assert "Traceback" not in result.stdout.str()
    summary = json.loads((pytester.path / "report" / "verdict.json").read_text(encoding="utf-8"))
    assert summary["verdict"] == "NOT RUN"
    assert "no-such-folder" in summary["requirements"][-1]["message"]


def test_a_run_that_is_stopped_says_so_and_leaves_whole_files(pytester):
    run = Run(pytester, HEALTHY.replace("pass", "raise KeyboardInterrupt"))
    assert (run.code, run.verdict) == (2, "NOT RUN")
    assert run.row("the whole run")["message"] == "the whole run: not judged; interrupted"
    assert run.row("claims hold")["message"] == "claims hold: not judged; the test did not finish"
    assert run.row("test accuracy")["status"] == "passed"
    assert run.page.rstrip().endswith("</html>")
    assert "the whole run: not judged; interrupted" in run.page
    assert sorted(path.name for path in run.folder.iterdir()) == ["index.html", "verdict.json"]


@pytest.mark.parametrize("obstacle", ["report", "report/verdict.json/x", "report/index.html/x"])
def test_a_report_that_cannot_be_written_is_said_in_one_line_before_anything_runs(
    pytester, obstacle
):
    path = pytester.path / obstacle
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way", encoding="utf-8")
    run = Run(pytester, HEALTHY)
    lines = [line for line in run.result.outlines + run.result.errlines if line]
    assert run.code == 4
    assert len(lines) == 1
    advice = "name a writable folder for the report with --report"
    assert re.search(rf"ERROR: report\S*: .*; {advice}", lines[0])


def test_a_report_that_can_no_longer_be_written_at_the_end_is_said_in_one_line(pytester):
    suite = HEALTHY.replace("pass", "import pathlib; pathlib.Path('report/verdict.json').mkdir()")
    run = Run(pytester, suite)
    assert run.code == 1
    assert "report/verdict.json: Is a directory; name a writable folder" in run.result.stderr.str()
    assert "Traceback" not in run.output + run.result.stderr.str()
    assert [path.name for path in run.folder.iterdir()] == ["verdict.json"]


def test_the_terminal_ends_with_the_table_the_verdict_and_the_page(pytester):
    run = Run(pytester, HEALTHY)
    expected = [
        "*= mnistlab =*",
        "requirement *measured *required *status*",
        "test accuracy *95.00 % *at least 90.00 % *passed*",
        "test loss *0.25 nats *at most 0.5 nats *passed*",
        "also passed: result 1",
        "PASSED: every requirement of the spec was judged and is met "
        "(pipeline fake on made up, seed 0).",
        "Page: report/index.html",
        "*3 passed in*",
    ]
    run.result.stdout.fnmatch_lines(expected)


def test_the_page_goes_where_it_is_sent(pytester):
    run = Run(pytester, HEALTHY, "--report", "elsewhere/deep")
    folder = pytester.path / "elsewhere" / "deep"
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "verdict.json"]
    assert "Page: elsewhere/deep/index.html" in run.output
    assert not run.folder.exists()


def test_data_that_is_not_mnist_is_announced_and_the_promise_about_mnist_is_not_run(pytester):
    run = Run(pytester, HEALTHY, note="there is no network")
    assert (run.code, run.verdict) == (0, "NOT RUN")
    assert run.row("test accuracy on MNIST")["message"].endswith("not judged; there is no network")
    assert (
        '<div class="banner">This is not a verdict on MNIST: there is no network</div>' in run.page
    )
    assert "This is not a verdict on MNIST: there is no network" in run.output


def test_the_groups_of_the_suite_run_in_their_order(pytester):
    for group in ("serving", "training", "dataset"):
        run = Run(pytester, f"def test_{group}(check): pass", name=f"test_{group}.py")
    groups = [row["group"] for row in run.summary["requirements"] if row["status"] == "passed"]
    assert groups == ["dataset", "training", "serving"]


@pytest.mark.parametrize("seed", ["-1", "x", "1.5", ""])
def test_a_seed_that_is_none_is_refused(pytester, seed):
    run = Run(pytester, HEALTHY, f"--seed={seed}")
    assert run.code == 4
    assert f"{seed!r} is not a seed; required: a whole number from 0" in run.result.stderr.str()


def test_only_a_test_that_uses_a_fixture_of_the_plugin_judges_the_model(pytester):
    suite = """
    def test_of_ones_own(dataset): assert dataset.name == "made up"
    def test_plain(): assert False
    """
    run = Run(pytester, HEALTHY + suite)  # whose conftest.py has a `dataset` of its own
    assert (run.code, run.verdict) == (1, "PASSED")
    assert {row["test"].rpartition("::")[2] for row in run.summary["requirements"]} == {
        "test_accuracy",
        "test_loss",
        "test_claims_hold",
    }


def test_a_module_that_cannot_be_imported_fails_the_run_if_tests_beside_it_judge_the_model(
    pytester,
):
    pytester.mkdir("quality").joinpath("test_broken.py").write_text("import no_such_module")
    run = Run(pytester, HEALTHY, "--continue-on-collection-errors")
    assert (run.code, run.verdict) == (1, "FAILED")
    assert run.row("test_broken.py can be collected")["status"] == "failed"


PROVIDER = """
    import pytest

    @pytest.mark.provides("images")
    def test_scaling(check):
        {body}
"""
DEPENDENT = """
    import pytest
    pytestmark = pytest.mark.depends_on("images")

    def test_contrast(check): raise AssertionError("too dark")
"""


def run_causes(pytester, body, *arguments, dependent=DEPENDENT):
    """Run a provider in a module that comes after the one that depends on it."""
    path = pytester.mkdir("quality") / "test_robustness.py"
    path.write_text(textwrap.dedent(PROVIDER.format(body=body)), encoding="utf-8")
    (path.parent / "test_serving.py").write_text(textwrap.dedent(dependent), encoding="utf-8")
    return Run(pytester, HEALTHY, *arguments)


def test_a_test_that_depends_on_a_failed_one_is_not_run_and_names_it(pytester):
    run = run_causes(pytester, "assert False, 'not scaled'")
    assert (run.code, run.verdict) == (1, "FAILED")
    reason = "depends on images, which failed: scaling"
    assert run.row("contrast")["message"] == f"contrast: not judged; {reason}"
    tests = [row["test"].rpartition("::")[2] for row in run.summary["requirements"]]
    assert tests[-2:] == ["test_scaling", "test_contrast"], "causes come first"
    assert "1 failed, 3 passed, 1 skipped" in run.output
    assert f"not judged, contrast: {reason}" in run.output


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ("pass", ()),
        ("pytest.skip('it is no Keras model')", ()),
        ("assert False", ("--deselect=quality/test_robustness.py",)),
    ],
    ids=["passed", "skipped", "deselected"],
)
def test_only_a_failed_provider_stops_what_depends_on_it(pytester, body, arguments):
    run = run_causes(pytester, body, *arguments)
    assert run.verdict == "FAILED"
    assert "too dark" in run.row("contrast")["message"]


def test_a_provider_judges_the_model_even_without_a_fixture_of_the_plugin(pytester):
    suite = """
    import pytest

    @pytest.mark.provides("mine")
    def test_cause(): assert False

    @pytest.mark.depends_on("mine")
    def test_effect(check): pass
    """
    run = Run(pytester, suite)
    assert (run.verdict, run.row("cause")["status"]) == ("FAILED", "failed")
    message = "effect: not judged; depends on mine, which failed: cause"
    assert run.row("effect")["message"] == message


def test_an_unknown_cause_ends_the_run_before_any_test(pytester):
    run = run_causes(pytester, "pass", dependent=DEPENDENT.replace("images", "imges"))
    assert run.code == 4
    assert "did you mean images?" in run.result.stderr.str()
    assert not (run.folder / "verdict.json").exists()


def test_pytest_lists_the_markers(pytester):
    lines = pytester.runpytest_inprocess(*OPTIONS, "--markers").stdout.str()
    assert "@pytest.mark.provides(name): " in lines
    assert "@pytest.mark.depends_on(*names): " in lines


@pytest.mark.parametrize(
    ("argument", "end"),
    [
        ("--pipline", "unrecognized arguments: --pipline; did you mean --pipeline?"),
        ("--mxfail=2", "unrecognized arguments: --mxfail=2; did you mean --maxfail?"),
        ("--pipeline=typo.py:X", "there is no file typo.py in {}"),
    ],
)
def test_a_typo_ends_in_one_line_with_the_nearest_name_and_leaves_the_last_report(
    pytester, argument, end
):
    before = Run(pytester, HEALTHY).page
    run = Run(pytester, HEALTHY, argument)
    assert run.code == 4, "pytest's own code of a usage error"
    [line] = filter(None, run.result.errlines)
    assert line.endswith(end.format(pytester.path))
    assert run.page == before
