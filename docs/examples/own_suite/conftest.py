"""Which pipeline the tests of this folder judge."""

import pytest

from mnistlab import Pipeline, Spec, bounds_of

pytest_plugins = ["mnistlab.plugin"]


class Mine(Pipeline):
    """The published recipe, with a promise of its own for scikit-learn's digits."""

    name = "mine"
    spec = Spec("digits", bounds=bounds_of({"threes read as eights": 3}))


@pytest.fixture(scope="session")
def subject():
    """Return the pipeline to judge, in place of the published recipe."""
    return Mine()
