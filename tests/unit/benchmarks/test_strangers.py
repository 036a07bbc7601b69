"""The strangers' tables, and what counts as caught and named."""

import re

import pytest
import strangers

from mnistlab.faults.catalogue import CATALOGUE

PARTS = ("first", "second", "healthy")


@pytest.mark.parametrize(("part", "least"), [("first", 40), ("second", 20), ("healthy", 6)])
def test_a_part_has_enough_strangers_of_its_own(part, least):
    table = strangers.table_of(strangers.PARTS[part], "stranger")
    assert len(table) >= least
    assert {subject.stranger.part for subject in table.values()} == {part}


def test_no_stranger_has_the_story_of_a_fault_in_the_catalogue():
    tables = [strangers.table_of(strangers.PARTS[part], "stranger") for part in PARTS]
    stories = {subject.__doc__ for table in tables for subject in table.values()}
    assert not stories & {entry.description for entry in CATALOGUE.values()}


def test_every_defect_says_where_it_was_seen_and_what_names_it():
    for part in ("first", "second"):
        for subject in strangers.table_of(strangers.PARTS[part], "stranger").values():
            assert subject.stranger.seen
            assert not re.search(subject.stranger.cause, "test accuracy: measured 90 %")


@pytest.mark.parametrize(
    ("messages", "diagnosis", "place"),
    [
        (("the seed is ignored", "other"), "", "first"),
        (("other", "other", "no seed"), "", "top three"),
        (("other", "other", "other", "a seed"), "the seed", "diagnosis"),
        (("other", "other", "other", "a seed"), "", "-"),
    ],
)
def test_a_cause_is_named_only_by_what_a_reader_sees_first(messages, diagnosis, place):
    judgement = strangers.Judgement("FAILED", messages, messages, diagnosis)
    assert judgement.named_by("seed") == place


def test_a_defect_that_is_not_caught_is_not_counted_as_named():
    caught = strangers.Judgement("FAILED", ("the seed",), ("a",))
    not_judged = strangers.Judgement("NOT RUN", ("the seed",), ("a",))
    entry = strangers.table_of("strangers_first", "stranger")["BareSeedIgnored"].stranger
    line = strangers.count([(entry, caught), (entry, not_judged)], "Both")
    assert line.startswith("Both: 1 of 2 caught, 1 of 2 named")
