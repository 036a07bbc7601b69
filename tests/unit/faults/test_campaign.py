"""A campaign tries every fault and control, survives what they do, resumes, and says what came of it; with fake trials."""

import json
import operator
import os
import re
from dataclasses import asdict, replace
from functools import partial
from types import SimpleNamespace

import pytest

from mnistlab import cli
from mnistlab.cli import faults as command
from mnistlab.cli.faults import chosen
from mnistlab.errors import MnistlabError
from mnistlab.execution.pool import Backend
from mnistlab.execution.worker import WorkerDiedError
from mnistlab.faults import campaign
from mnistlab.faults import catalogue as faults
from mnistlab.faults import page as campaign_page
from mnistlab.faults.campaign import Log, run
from mnistlab.faults.catalogue import Entry
from mnistlab.faults.figures import kill_matrix
from mnistlab.faults.summary import Summary, is_expected
from mnistlab.faults.trial import UNJUDGED, Trial
from mnistlab.report.canvas import WIDTH

SCRIPT = "<script>alert(1)</script>"
FAULTS = (
    Entry("no-scaling", "m:NoScaling", "the division is forgotten", "practice", "test_scaled"),
    Entry("slow", "m:Slow", f"it {SCRIPT} takes | long", "HNE", "test_steps[last]"),
    Entry("mild", "m:Mild", "hardly visible", "HLR mild", "test_rate"),
)
CONTROL = Entry("functional", "m:Functional", "another API")
ENTRIES = (*FAULTS, CONTROL)
CHECKS = (
    "preparation::test_scaled",
    "training::test_steps[first]",
    "training::test_steps[last]",
    "result::test_good",
)


def trial(name, *failed, accuracy=None):
    checks = {check: "failed" if check in failed else "passed" for check in CHECKS}
    status = "caught" if failed else "passed"
    return Trial(
        name,
        status,
        failed[0] if failed else "",
        f"{SCRIPT} is wrong" if failed else "",
        checks,
        accuracy,
        1.5,
    )


GOOD = (
    trial("no-scaling", CHECKS[0], CHECKS[3], accuracy=0.93),
    trial("slow", CHECKS[2], accuracy=0.975),
    trial("mild", CHECKS[1], accuracy=float("nan")),
    trial("functional", accuracy=0.975),
)


def summary_of(*trials):
    return Summary(ENTRIES, {each.name: each for each in trials})


def test_a_fault_is_caught_as_expected_by_a_test_or_by_one_of_its_cases():
    assert is_expected(FAULTS[0], trial("", "preparation::test_scaled"))
    assert is_expected(FAULTS[0], trial("", "preparation::test_scaled[twice]"))
    assert is_expected(FAULTS[1], trial("", "training::test_steps[last]"))
    assert not is_expected(FAULTS[1], trial("", "training::test_steps[first]"))
    assert not is_expected(FAULTS[0], trial(""))


def test_a_check_that_fails_as_a_method_raised_is_not_the_expected_one():
    message = "scaled: does not hold (prepare_images raised MnistlabError: no MNIST found (data.py, line 157))"
    raised = Trial("no-scaling", "caught", CHECKS[0], message, {CHECKS[0]: "failed"})
    assert not is_expected(FAULTS[0], raised)
    assert summary_of(raised).unexpected == [(FAULTS[0], raised)]
    assert is_expected(FAULTS[0], replace(raised, message="the fit raised the loss"))


def test_a_campaign_is_ok_if_every_fault_was_caught_and_every_control_passed():
    summary = summary_of(*GOOD)
    assert summary.ok
    assert [entry.name for entry, _ in summary.unexpected] == ["mild"]
    assert summary.sentences() == [
        "3 of 3 faults caught, 2 by the expected check",
        "1 of 1 healthy controls passed",
        "a bare accuracy >= 0.97 catches 2 of the 3 faults whose accuracy was measured",
    ]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        pytest.param(trial("mild"), "not caught: mild (passed)", id="survivor"),
        pytest.param(Trial("mild", "crashed"), "not caught: mild (crashed)", id="crash"),
        pytest.param(Trial("mild", "timed out"), "not caught: mild (timed out)", id="time-out"),
        pytest.param(
            trial("functional", CHECKS[0]),
            "controls that did not pass: functional (caught)",
            id="wronged control",
        ),
        pytest.param(
            Trial("functional", "error"),
            "controls that did not pass: functional (error)",
            id="control without verdict",
        ),
        pytest.param(
            Trial("functional", UNJUDGED),
            "controls that did not pass: functional (not judged whole)",
            id="control without gate",
        ),
    ],
)
def test_a_campaign_with_one_that_did_not_end_well_says_which(other, sentence):
    summary = summary_of(*GOOD, other)
    assert not summary.ok
    assert sentence in summary.sentences()


def test_a_campaign_that_was_not_finished_is_not_well():
    summary = summary_of(*GOOD[1:])
    assert not summary.ok
    assert "not tried yet: 1" in summary.sentences()


def test_names_that_are_unknown_are_answered_with_near_ones():
    assert chosen(ENTRIES, ["slow", "functional"]) == [FAULTS[1], CONTROL]
    assert chosen(ENTRIES, []) == list(ENTRIES)
    with pytest.raises(
        MnistlabError,
        match=r"--only no-scalin: no such fault or control; near: no-scaling.*; see all",
    ):
        chosen(ENTRIES, ["no-scalin"])


def test_the_sample_is_ten_of_the_catalogue_with_controls_and_faults():
    sample = chosen([*faults.ENTRIES.values()], campaign.SAMPLE)
    assert len(sample) == 10
    assert {entry.is_fault for entry in sample} == {True, False}


class Here:
    """A pool that does work in this process; of some items it makes another ending."""

    def __init__(self, **endings):
        self.endings, self.seen = endings, []

    def completed(self, function, items):
        """Yield each item with what becomes of it."""
        for name, reference in items:
            self.seen.append(name)
            ending = self.endings.get(name)
            if ending is KeyboardInterrupt:
                raise KeyboardInterrupt
            yield (name, reference), partial(self.result, function, (name, reference), ending)

    def result(self, function, item, ending):
        """Return or raise it."""
        if ending:
            raise ending
        return function(item)


class Runner:
    """Looks trials up."""

    stops = True

    def __call__(self, work):
        """Return the trial of this name."""
        return {each.name: each for each in GOOD}[work[0]]


def test_crash_and_time_out_are_results_and_are_written_down_at_once(tmp_path, capsys):
    log = Log(tmp_path / "trials.jsonl", "key")
    endings = {
        "slow": WorkerDiedError("timed out after 9 s, in fit (x.py, line 3)", 9.0),
        "mild": WorkerDiedError("crashed: code 1"),
    }
    run(Here(**endings), Runner(), ENTRIES, log)
    rows = [
        json.loads(line)
        for line in (tmp_path / "trials.jsonl").read_text(encoding="ascii").splitlines()
    ]
    assert {row["name"]: row["status"] for row in rows} == {
        "functional": "passed",
        "mild": "crashed",
        "slow": "timed out",
        "no-scaling": "caught",
    }
    assert log.trials["slow"].seconds == 9.0
    printed = capsys.readouterr().out
    assert re.search(
        r"! slow +9\.0 s  timed out: timed out after 9 s, in fit \(x\.py, line 3\)", printed
    )
    assert re.search(r"  no-scaling +1\.5 s  caught by preparation::test_scaled  \[0 left", printed)


def test_controls_are_begun_first_as_they_take_longest(tmp_path):
    pool = Here()
    run(pool, Runner(), ENTRIES, Log(tmp_path / "trials.jsonl", "key"))
    assert pool.seen == ["functional", "mild", "slow", "no-scaling"]


def test_a_log_of_another_kind_of_campaign_counts_for_nothing(tmp_path):
    Log(tmp_path / "trials.jsonl", "key").add(GOOD[0])
    assert list(Log(tmp_path / "trials.jsonl", "key").trials) == ["no-scaling"]
    assert Log(tmp_path / "trials.jsonl", "other").trials == {}


@pytest.mark.parametrize("status", ["crashed", "timed out", "error"])
def test_what_ended_without_a_verdict_is_tried_again_by_the_next_campaign(tmp_path, status):
    path = tmp_path / "trials.jsonl"
    Log(path, "key").add(Trial("mild", status))
    assert Log(path, "key").trials == {}
    Log(path, "key").add(GOOD[2])
    assert list(Log(path, "key").trials) == ["mild"]
    Log(path, "key").add(Trial("mild", status))  # the last ending counts
    assert Log(path, "key").trials == {}


def test_a_last_line_that_was_cut_off_is_said_and_passed_over(tmp_path, capsys):
    path = tmp_path / "trials.jsonl"
    for each in GOOD[:2]:
        Log(path, "key").add(each)
    path.write_bytes(path.read_bytes()[:-40] + "…".encode()[:2])  # in the middle of a character
    assert list(Log(path, "key").trials) == ["no-scaling"]
    assert "line 2 is damaged; its trial is run again" in capsys.readouterr().err
    Log(path, "key").add(GOOD[2])
    assert list(Log(path, "key").trials) == ["no-scaling", "mild"]


def test_any_character_of_a_message_survives_the_log(tmp_path, capsys):
    odd = replace(GOOD[0], message="lines\u2028and\x85\x0b\r\n\ud800 \U0001f600")
    for _ in range(2):
        Log(tmp_path / "trials.jsonl", "key").add(odd)
    assert Log(tmp_path / "trials.jsonl", "key").trials["no-scaling"].message == odd.message
    assert not capsys.readouterr().err


def test_the_seconds_of_all_runs_are_summed_and_that_there_were_several_is_said(tmp_path):
    path = tmp_path / "trials.jsonl"
    row = {"key": "key", **asdict(GOOD[0])}
    rows = [{**row, "run": 0, "elapsed": 70.0}, {**row, "run": 0, "elapsed": 100.0, "name": "b"}]
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="ascii")
    assert re.fullmatch(
        r"100 s, 3 processes, \d+ CPUs here",
        campaign.time_of(Log(path, "key"), Backend(processes=3)),
    )
    with path.open("a") as file:
        file.write(json.dumps({**row, "run": 1, "elapsed": 20.0, "name": "c"}) + "\n")
    told = campaign.time_of(Log(path, "key"), Backend("tcp://x:1"))
    assert re.fullmatch(
        r"120 s, a Dask cluster, \d+ CPUs here, in 2 runs of the command, as it was resumed", told
    )


def test_another_accepted_result_is_another_campaign(monkeypatch):
    runner = trial_runner()
    before = campaign.key_of(runner)
    assert campaign.key_of(trial_runner()) == before
    monkeypatch.setattr(campaign.environment, "accepted_hash", lambda dataset: f"another on {dataset}")
    assert campaign.key_of(runner) != before


def trial_runner():
    return campaign.Runner({"seed": 0}, SimpleNamespace(name="digits", sha256="ab"))


@pytest.fixture
def prepared(monkeypatch):
    """Let the command run on fake trials, in a pool whose endings are set by the test."""
    pool = Here()
    monkeypatch.setattr(command, "ENTRIES", {entry.name: entry for entry in ENTRIES})
    monkeypatch.setattr(command, "prepared", lambda options: Runner())
    monkeypatch.setattr(campaign, "key_of", operator.attrgetter("__class__.__name__"))
    monkeypatch.setattr(command, "about", lambda runner: {"data": SCRIPT})
    monkeypatch.setattr(command, "open_pool", lambda place: Opened(pool))
    return pool


class Opened:
    """Gives a pool, as `mnistlab.execution.pool.open_pool` does."""

    def __init__(self, pool):
        self.pool = pool

    def __enter__(self):
        """Give the pool."""
        return self.pool

    def __exit__(self, *args):
        """Do nothing."""


def test_an_interrupted_campaign_writes_what_there_is_and_goes_on_from_there(
    prepared, tmp_path, capsys
):
    prepared.endings["slow"] = KeyboardInterrupt
    assert cli.main(["faults", f"--out={tmp_path}"]) == 1
    printed = capsys.readouterr()
    assert "the same command goes on" in printed.err
    assert "not tried yet: 2" in printed.out
    assert [
        row["name"] for row in json.loads((tmp_path / "faults.json").read_text())["trials"]
    ] == [
        "mild",
        "functional",
    ]
    prepared.endings.clear()
    prepared.seen.clear()
    assert cli.main(["faults", f"--out={tmp_path}"]) == 0
    assert prepared.seen == ["slow", "no-scaling"]
    assert "2 of 4 trials are in" in capsys.readouterr().out


def test_the_exit_code_is_1_if_a_fault_was_not_caught(prepared, tmp_path):
    prepared.endings["mild"] = WorkerDiedError("crashed")
    assert cli.main(["faults", f"--out={tmp_path}"]) == 1
    assert json.loads((tmp_path / "faults.json").read_text())["survivors"] == ["mild"]


def test_a_list_shows_every_fault_and_runs_nothing(prepared, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["faults", "--list"]) == 0
    printed = capsys.readouterr().out
    assert "the division is forgotten" in printed
    assert "nothing: a healthy control" in printed
    assert "RCP of DeepCrime is not here, as it changes the patience of early stopping" in printed
    assert not prepared.seen
    assert not os.listdir()


@pytest.mark.parametrize("option", ["--out", "--docs"])
def test_a_folder_that_cannot_be_made_is_said_before_anything_is_tried(
    prepared, tmp_path, capsys, option
):
    (tmp_path / "file").touch()
    assert cli.main(["faults", f"--out={tmp_path}", f"{option}={tmp_path / 'file'}"]) == 1
    assert f"name a folder with {option} that can be written" in capsys.readouterr().err
    assert not prepared.seen


@pytest.mark.parametrize(
    "option", ["--processes=-3", "--timeout=0", "--timeout=-1", "--timeout=nan"]
)
def test_a_number_that_cannot_be_meant_is_said(prepared, tmp_path, capsys, option):
    assert cli.main(["faults", f"--out={tmp_path}", option]) == 1
    assert re.search(f"mnistlab: {option.partition('=')[0]} .*: required", capsys.readouterr().err)
    assert not prepared.seen


def test_the_page_escapes_what_comes_from_outside_and_has_all_that_matters():
    page = campaign_page.page(summary_of(*GOOD[:2], trial("mild"), GOOD[3]), {"data": SCRIPT})
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    order = [
        page.index(text)
        for text in (
            "2 of 3 faults caught",
            "Not caught (1)",
            "Who catches what",
            "Every fault (3)",
        )
    ]
    assert order == sorted(order)
    assert page.count('<img alt="Fault by check" src="data:image/png;base64,') == 1
    assert 'title="preparation::test_scaled, result::test_good"' in page
    assert "1 checks failed nowhere" in page
    assert "RCW: changes a weight regularisation" in page


def test_a_page_of_nothing_is_written():
    assert "not tried yet: 4" in campaign_page.page(summary_of(), {})


def test_markdown_has_a_row_for_each_and_names_the_expected_check_where_another_caught_first():
    text = campaign_page.markdown(summary_of(*GOOD), {"data": "made up"})
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(ENTRIES)
    assert {line.count("|") for line in rows} == {8}
    assert (
        "| mild | hardly visible | HLR mild | `training::test_steps[first]` | no: `test_rate` | nan % | 1.5 |"
        in rows
    )
    assert "- RCW changes a weight regularisation: the recipe has none" in text


def test_page_json_markdown_and_picture_are_written(tmp_path):
    page = campaign_page.write(
        summary_of(*GOOD), {"data": "made up"}, tmp_path / "out", tmp_path / "docs"
    )
    assert page == tmp_path / "out" / "index.html"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "faults.json",
        "faults.md",
        "faults.png",
        "index.html",
    ]


def test_the_picture_has_every_name_and_is_as_wide_as_the_others():
    figure = kill_matrix(summary_of(*GOOD))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {entry.name for entry in ENTRIES} <= set(texts)
    assert figure.get_figwidth() * figure.dpi == WIDTH
