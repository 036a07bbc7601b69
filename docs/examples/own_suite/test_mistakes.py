"""Which mistakes the classifier may make: on the page, the group "mistakes"."""

import pytest

from mnistlab import Requirement


@pytest.mark.provides("sees both")
def test_both_digits_are_in_the_test_set(check, evaluation):
    counts = evaluation.confusion.sum(axis=1)
    enough = Requirement("threes and eights to read", bound=20, direction="at least")
    check(enough, int(min(counts[3], counts[8])))


@pytest.mark.depends_on("sees both")
def test_threes_are_not_read_as_eights(check, evaluation):
    misread = int(evaluation.confusion[3, 8])
    check.within_healthy_range("threes read as eights", misread, worse="higher")


def test_training_takes_no_longer_than_a_minute(check, trained):
    quick = Requirement("seconds of training", bound=60, direction="at most", unit="s")
    check(quick, round(trained.seconds, 1))
