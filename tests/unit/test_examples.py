"""The examples of the documentation are pipelines, and build what they promise."""

from pathlib import Path

import numpy as np
import pytest

from mnistlab.loaded import of_file
from mnistlab.subject import load

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("reference", ["convnet.py:Convnet", "functional.py:TwoPaths", "normalised.py:Normalised"])
def test_a_keras_example_has_the_layers_that_it_promises(reference):
    subject = load(f"{EXAMPLES / reference}", None, "mnist")
    layers = [layer for layer in subject.build(0).layers if type(layer).__name__ != "InputLayer"]
    assert [(type(layer).__name__, layer.count_params()) for layer in layers] == [
        (layer.kind, layer.parameters or 0) for layer in subject.spec.layers
    ]


def test_the_scikit_learn_example_learns_and_predicts_probabilities():
    subject = load(f"{EXAMPLES / 'sklearn_mlp.py'}:Mlp", None, "mnist")
    images = np.random.default_rng(0).random((50, 28, 28), dtype=np.float32)
    labels = np.eye(10, dtype=np.float32)[np.arange(50) % 10]
    model = subject.build(0)
    history = subject.fit(model, images, labels, seed=0, epochs=20)
    assert history["loss"][-1] < history["loss"][0]
    assert np.allclose(subject.predict(model, images).sum(axis=1), 1)


def test_the_promise_in_toml_is_that_of_the_published_architecture():
    subject = load(None, str(EXAMPLES / "model.toml"), "mnist")
    published, stated = load(None, None, "mnist").spec, of_file(subject).spec
    assert (stated.layers, stated.optimizer, stated.loss) == (published.layers, published.optimizer, published.loss)
    assert [bound.bound for bound in stated.bounds] == [0.97, 0.015, 0.75]
