"""What is not known of a training is not judged, for a reason."""

import pytest

from mnistlab.errors import NotJudgedError, NotRequiredError
from mnistlab.plugin.fixtures import Trained


@pytest.mark.parametrize(
    "ask", [lambda it: it.history_of("loss"), lambda it: it.required("initial_weights")]
)
def test_nothing_of_the_training_of_a_file_is_required(ask):
    from_file = Trained(None, initial_weights=None, history=None, seconds=0.0)
    with pytest.raises(NotRequiredError, match="which does not tell how it was trained"):
        ask(from_file)


def test_what_a_history_lacks_is_named():
    trained = Trained(None, [], {"loss": [1.0]}, seconds=0.0)
    assert trained.history_of("loss") == [1.0]
    with pytest.raises(NotJudgedError, match=r"^the history that fit returned has no 'val_loss'$"):
        trained.history_of("val_loss")
