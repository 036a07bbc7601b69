"""Remember what collection imported, and keep that out of garbage collection."""

import gc
import sys

import pytest

COLLECTED = pytest.StashKey[frozenset[str]]()


def pytest_collection_finish(session):
    session.config.stash[COLLECTED] = frozenset(sys.modules)
    gc.freeze()


@pytest.fixture(scope="session")
def collected(pytestconfig):
    """Return the names of all modules that were imported before the first test ran."""
    return pytestconfig.stash[COLLECTED]
