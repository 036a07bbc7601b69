"""The examples of the documentation are pipelines, and build what they promise."""

from pathlib import Path

import numpy as np
import pytest

from mnistlab.loading import ModelFilePipeline, load_pipeline
from mnistlab.recipe import Pipeline

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize(
    "reference", ["convnet.py:Convnet", "functional.py:TwoPaths", "normalised.py:Normalised"]
)
def test_a_keras_example_has_the_layers_that_it_promises(reference):
    subject = load_pipeline(f"{EXAMPLES / reference}", None, "mnist")
    layers = [layer for layer in subject.build(0).layers if type(layer).__name__ != "InputLayer"]
    assert [(type(layer).__name__, layer.count_params()) for layer in layers] == [
        (layer.kind, layer.parameters or 0) for layer in subject.spec.layers
    ]


def test_the_documentation_shows_the_scikit_learn_example_whole():
    text = (EXAMPLES / "sklearn_mlp.py").read_text(encoding="utf-8")
    page = (EXAMPLES.parent / "own.md").read_text(encoding="utf-8")
    assert text[text.index("class Mlp") :] in page


@pytest.mark.parametrize("name", ["sklearn_mlp.py:Mlp", "torch_mlp.py:TorchMlp"])
def test_an_example_without_a_base_class_learns_and_predicts_probabilities(name):
    if name.startswith("torch"):
        pytest.importorskip("torch", reason="PyTorch is not installed")
    subject = load_pipeline(f"{EXAMPLES / name}", None, "mnist")
    assert not isinstance(subject.pipeline, Pipeline)
    images = subject.prepare_images(
        np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    )
    labels = subject.prepare_labels((np.arange(50) % 10).astype(np.uint8))
    model = subject.build(0)
    history = subject.fit(model, images, labels, seed=0, epochs=20)
    assert history["loss"][-1] < history["loss"][0]
    assert np.allclose(subject.predict(model, images).sum(axis=1), 1, atol=1e-5)


def test_the_promise_in_toml_is_that_of_the_published_architecture():
    subject = load_pipeline(None, str(EXAMPLES / "model.toml"), "mnist")
    published, stated = load_pipeline(None, None, "mnist").spec, ModelFilePipeline(subject).spec
    assert (
        stated.layers[1:] == published.layers[1:]
    )  # of the first, which has no parameters, only the kind is asked
    assert (stated.optimizer, stated.loss) == (published.optimizer, published.loss)
    assert [bound.bound for bound in stated.bounds] == [0.97, 0.015, 0.75]
