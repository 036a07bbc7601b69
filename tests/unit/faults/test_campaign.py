"""A campaign tries all entries, survives crashes, resumes and reports; here with fake trials."""

import json
import os
import re
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

from mnistlab import cli
from mnistlab.cli import faults as command
from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend, WorkerDiedError
from mnistlab.faults import (
    CATALOGUE,
    SAMPLE,
    CampaignLog,
    Entry,
    Summary,
    TrialRunner,
    run_trials,
    select_entries,
    write_symptoms,
)
from mnistlab.faults import page as campaign_page
from mnistlab.faults import trial as trials
from mnistlab.faults.figures import kill_matrix
from mnistlab.faults.summary import Outcome
from mnistlab.faults.trial import INCOMPLETE, Trial
from mnistlab.plugin import Symptoms, load_symptoms
from mnistlab.report.canvas import WIDTH

SCRIPT = "<script>alert(1)</script>"
FAULTS = (
    Entry("no-scaling", "m:NoScaling", "the division is forgotten", "practice", "test_scaled"),
    Entry("slow", "m:Slow", f"it {SCRIPT} takes | long", "HNE", "test_steps[last]"),
    Entry("mild", "m:Mild", "hardly visible", "HLR mild", "test_rate"),
)
CONTROL = Entry("functional", "m:Functional", "another API")
ENTRIES = (*FAULTS, CONTROL)
BY_NAME = {entry.name: entry for entry in ENTRIES}
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
    assert Outcome(FAULTS[0], trial("", "preparation::test_scaled")).as_expected
    assert Outcome(FAULTS[0], trial("", "preparation::test_scaled[twice]")).as_expected
    assert Outcome(FAULTS[1], trial("", "training::test_steps[last]")).as_expected
    assert not Outcome(FAULTS[1], trial("", "training::test_steps[first]")).as_expected
    assert not Outcome(FAULTS[0], trial("")).as_expected


def test_a_check_that_fails_as_a_method_raised_is_not_the_expected_one():
    message = "scaled: does not hold (prepare_images raised MnistlabError: no MNIST (data.py, 15))"
    raised = Trial("no-scaling", "caught", CHECKS[0], message, {CHECKS[0]: "failed"})
    assert not Outcome(FAULTS[0], raised).as_expected
    assert summary_of(raised).unexpected == [Outcome(FAULTS[0], raised)]
    assert Outcome(FAULTS[0], replace(raised, message="the fit raised the loss")).as_expected


def test_a_campaign_is_ok_if_every_fault_was_caught_and_every_control_passed():
    summary = summary_of(*GOOD)
    assert summary.ok
    assert [outcome.entry.name for outcome in summary.unexpected] == ["mild"]
    assert summary.sentences() == [
        "3 of 3 faults caught, 2 by the expected check",
        "1 of 1 healthy controls passed",
        "accuracy >= 0.97 alone catches 2 of the 3 faults whose accuracy was measured",
    ]


@pytest.mark.parametrize(
    ("other", "names"),
    [
        pytest.param(trial("mild"), "mild (passed)", id="survivor"),
        pytest.param(Trial("mild", "crashed"), "mild (crashed)", id="crash"),
        pytest.param(Trial("mild", "timed out"), "mild (timed out)", id="time-out"),
        pytest.param(trial("functional", CHECKS[0]), "functional (caught)", id="false positive"),
        pytest.param(Trial("functional", "error"), "functional (error)", id="no verdict"),
        pytest.param(Trial("functional", INCOMPLETE), "functional (incomplete)", id="no gate"),
    ],
)
def test_an_outcome_that_is_not_as_required_is_named(other, names):
    summary = summary_of(*GOOD, other)
    assert not summary.ok
    fault = "faults that were not caught"
    title = fault if other.name == "mild" else "healthy controls that did not pass"
    assert f"{title}: {names}" in summary.sentences()


def test_an_unfinished_campaign_is_not_ok():
    summary = summary_of(*GOOD[1:])
    assert not summary.ok
    assert "trials still to run: 1" in summary.sentences()


def test_names_that_are_unknown_are_answered_with_near_ones():
    assert select_entries(BY_NAME, ["slow", "functional"]) == [FAULTS[1], CONTROL]
    assert select_entries(BY_NAME, []) == list(ENTRIES)
    with pytest.raises(
        MnistlabError,
        match=r"--only no-scalin: no such fault or control; similar: no-scaling.*; list all",
    ):
        select_entries(BY_NAME, ["no-scalin"])


def test_the_sample_is_ten_of_the_catalogue_with_controls_and_faults():
    sample = select_entries(CATALOGUE, SAMPLE)
    assert len(sample) == 10
    assert {entry.is_fault for entry in sample} == {True, False}


class FakePool:
    """A pool that works in this process; `endings` are exceptions by the name of an entry."""

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


class FakeRunner:
    """Looks trials up."""

    stops_at_first_failure = True
    key = "key"

    def facts(self):
        """Return a text that the page must escape."""
        return {"data": SCRIPT}

    def __call__(self, work):
        """Return the trial of this name."""
        return {each.name: each for each in GOOD}[work[0]]


def test_crash_and_time_out_are_results_and_are_written_down_at_once(tmp_path, capsys):
    log = CampaignLog(tmp_path / "trials.jsonl", "key")
    endings = {
        "slow": WorkerDiedError("timed out after 9 s, in fit (x.py, line 3)", 9.0),
        "mild": WorkerDiedError("crashed: code 1"),
    }
    run_trials(FakePool(**endings), FakeRunner(), ENTRIES, log)
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
    pool = FakePool()
    run_trials(pool, FakeRunner(), ENTRIES, CampaignLog(tmp_path / "trials.jsonl", "key"))
    assert pool.seen == ["functional", "mild", "slow", "no-scaling"]


def test_a_log_of_another_kind_of_campaign_counts_for_nothing(tmp_path):
    CampaignLog(tmp_path / "trials.jsonl", "key").add(GOOD[0])
    assert list(CampaignLog(tmp_path / "trials.jsonl", "key").trials) == ["no-scaling"]
    assert CampaignLog(tmp_path / "trials.jsonl", "other").trials == {}


@pytest.mark.parametrize("status", ["crashed", "timed out", "error"])
def test_what_ended_without_a_verdict_is_tried_again_by_the_next_campaign(tmp_path, status):
    path = tmp_path / "trials.jsonl"
    CampaignLog(path, "key").add(Trial("mild", status))
    assert CampaignLog(path, "key").trials == {}
    CampaignLog(path, "key").add(GOOD[2])
    assert list(CampaignLog(path, "key").trials) == ["mild"]
    CampaignLog(path, "key").add(Trial("mild", status))  # the last ending counts
    assert CampaignLog(path, "key").trials == {}


def test_a_last_line_that_was_cut_off_is_reported_and_skipped(tmp_path, capsys):
    path = tmp_path / "trials.jsonl"
    for each in GOOD[:2]:
        CampaignLog(path, "key").add(each)
    path.write_bytes(path.read_bytes()[:-40] + "…".encode()[:2])  # in the middle of a character
    assert list(CampaignLog(path, "key").trials) == ["no-scaling"]
    assert "line 2 is damaged; its trial is run again" in capsys.readouterr().err
    CampaignLog(path, "key").add(GOOD[2])
    assert list(CampaignLog(path, "key").trials) == ["no-scaling", "mild"]


def test_any_character_of_a_message_survives_the_log(tmp_path, capsys):
    odd = replace(GOOD[0], message="lines\u2028and\x85\x0b\r\n\ud800 \U0001f600")
    for _ in range(2):
        CampaignLog(tmp_path / "trials.jsonl", "key").add(odd)
    assert CampaignLog(tmp_path / "trials.jsonl", "key").trials["no-scaling"].message == odd.message
    assert not capsys.readouterr().err


def test_the_time_of_a_campaign_is_that_of_its_trials_in_all_runs_of_the_command(tmp_path):
    path = tmp_path / "trials.jsonl"
    for each in GOOD[:2]:
        CampaignLog(path, "key").add(each)
    log = CampaignLog(path, "key")
    text = log.describe_time(Backend(processes=3))
    assert re.fullmatch(r"3 s of trials on 3 processes, \d+ CPUs here", text)
    assert "on a Dask cluster" in log.describe_time(Backend("tcp://x:1"))


def test_symptoms_are_written_by_fault_and_keep_the_others(tmp_path):
    path = tmp_path / "symptoms.json"
    stopped = replace(GOOD[1], checks={**GOOD[1].checks, CHECKS[3]: "not run"})
    write_symptoms(summary_of(GOOD[0], stopped, trial("mild"), GOOD[3]), "mnist", path)
    known = load_symptoms("mnist", path)
    assert known == [
        Symptoms("no-scaling", "m", "the division is forgotten", {CHECKS[0], CHECKS[3]}, set()),
        Symptoms("slow", "m", FAULTS[1].description, {CHECKS[2]}, {CHECKS[3]}),
    ]
    write_symptoms(summary_of(GOOD[2]), "digits", path)
    assert load_symptoms("mnist", path) == known
    assert load_symptoms("digits", path)[0].failed == {CHECKS[1]}
    write_symptoms(summary_of(trial("slow", CHECKS[1])), "mnist", path)  # as with --only slow
    assert [(each.fault, each.failed) for each in load_symptoms("mnist", path)] == [
        ("no-scaling", {CHECKS[0], CHECKS[3]}),
        ("slow", {CHECKS[1]}),
    ]
    assert sum(line.startswith('"slow":') for line in path.read_text().splitlines()) == 2


def test_symptoms_of_stopped_trials_are_refused_before_any_trial(pool, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["faults", f"--out={tmp_path}", f"--symptoms={tmp_path / 'made.json'}"])
    assert "--symptoms needs every check of each fault: add --full" in capsys.readouterr().err
    assert not pool.seen


def test_another_accepted_state_is_another_campaign(monkeypatch):
    dataset = SimpleNamespace(name="digits", sha256="ab")
    key = TrialRunner({"seed": 0}, dataset).key
    assert TrialRunner({"seed": 0}, dataset).key == key
    monkeypatch.setattr(trials.environment, "accepted_hash", lambda name: f"other {name}")
    assert TrialRunner({"seed": 0}, dataset).key != key


@pytest.fixture
def pool(monkeypatch):
    """Let the command run on fake trials, in a pool whose endings are set by the test."""
    pool = FakePool()
    monkeypatch.setattr(command.faults, "CATALOGUE", BY_NAME)
    monkeypatch.setattr(command, "make_runner", lambda options: FakeRunner())
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
    pool, tmp_path, capsys
):
    pool.endings["slow"] = KeyboardInterrupt
    assert cli.main(["faults", f"--out={tmp_path}"]) == 1
    printed = capsys.readouterr()
    assert "run the same command to go on" in printed.err
    assert "trials still to run: 2" in printed.out
    assert re.findall("^! ", printed.out, re.MULTILINE) == []
    assert "Every fault (1)" in (tmp_path / "index.html").read_text("utf-8")
    pool.endings.clear()
    pool.seen.clear()
    assert cli.main(["faults", f"--out={tmp_path}"]) == 0
    assert pool.seen == ["slow", "no-scaling"]
    assert "2 of 4 trials are in" in capsys.readouterr().out


def test_the_exit_code_is_1_if_a_fault_was_not_caught(pool, tmp_path):
    pool.endings["mild"] = WorkerDiedError("crashed")
    assert cli.main(["faults", f"--out={tmp_path}"]) == 1
    assert "Not caught (1)" in (tmp_path / "index.html").read_text("utf-8")


def test_a_list_shows_every_fault_and_runs_nothing(pool, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["faults", "--list"]) == 0
    printed = capsys.readouterr().out
    assert "the division is forgotten" in printed
    assert "nothing: a healthy control" in printed
    assert (
        "Operator RCP of DeepCrime does not apply: it changes the patience of early stopping"
        in printed
    )
    assert not pool.seen
    assert not os.listdir()


@pytest.mark.parametrize("option", ["--out", "--docs"])
def test_a_folder_that_cannot_be_made_is_refused_before_any_trial(pool, tmp_path, capsys, option):
    (tmp_path / "file").touch()
    assert cli.main(["faults", f"--out={tmp_path}", f"{option}={tmp_path / 'file'}"]) == 1
    assert f"name a folder with {option} that can be written" in capsys.readouterr().err
    assert not pool.seen


@pytest.mark.parametrize(
    "option", ["--processes=-3", "--timeout=0", "--timeout=-1", "--timeout=nan"]
)
def test_an_impossible_number_is_refused(pool, tmp_path, capsys, option):
    assert cli.main(["faults", f"--out={tmp_path}", option]) == 1
    assert re.search(f"mnistlab: {option.partition('=')[0]} .*: required", capsys.readouterr().err)
    assert not pool.seen


def test_the_page_escapes_what_comes_from_outside_and_has_all_that_matters():
    page = campaign_page.page(summary_of(*GOOD[:2], trial("mild"), GOOD[3]), {"data": SCRIPT})
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    order = [
        page.index(text)
        for text in (
            "2 of 3 faults caught",
            "Not caught (1)",
            "Which check caught which fault",
            "Every fault (3)",
        )
    ]
    assert order == sorted(order)
    assert page.count('<img alt="Fault by check" src="data:image/png;base64,') == 1
    assert 'title="preparation::test_scaled, result::test_good"' in page
    assert "1 checks failed in no trial" in page
    assert "RCW: changes a weight regularisation" in page


def test_a_page_of_nothing_is_written():
    assert "trials still to run: 4" in campaign_page.page(summary_of(), {})


def test_markdown_has_a_row_for_each_and_names_the_expected_check_where_another_caught_first():
    text = campaign_page.markdown(summary_of(*GOOD), {"data": "made up"})
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(ENTRIES)
    assert {line.count("|") for line in rows} == {8}
    caught = "`training::test_steps[first]` | no: `test_rate` | nan % | 1.5"
    assert f"| mild | hardly visible | HLR mild | {caught} |" in rows
    assert "- RCW changes a weight regularisation: the recipe has none" in text


def test_page_json_markdown_and_picture_are_written(tmp_path):
    page = campaign_page.write_report(
        summary_of(*GOOD), {"data": "made up"}, tmp_path / "out", tmp_path / "docs"
    )
    assert page == tmp_path / "out" / "index.html"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "faults.md",
        "faults.png",
        "index.html",
    ]


def test_the_picture_has_every_name_and_is_as_wide_as_the_others():
    figure = kill_matrix(summary_of(*GOOD))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {entry.name for entry in ENTRIES} <= set(texts)
    assert figure.get_figwidth() * figure.dpi == WIDTH
