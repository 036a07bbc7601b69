"""A file is judged as a file: by what it can tell, and without running code that comes with it."""

import dataclasses
import pickle
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.errors import MnistlabError, NotRequiredError
from mnistlab.loading.checked_pipeline import CheckedPipeline, load_pipeline
from mnistlab.loading.model_file import ModelFilePipeline, load_model
from mnistlab.recipe import Layer, Pipeline, Spec, bounds_of

OWN = Spec(layers=(Layer("Flatten"),), bounds=bounds_of({"test accuracy": 0.9, "test loss": 0.2}))


class Own(Pipeline):
    """A pipeline with a spec of its own."""

    spec = OWN


def test_of_a_files_architecture_and_training_nothing_is_asked_by_default():
    spec = ModelFilePipeline(load_pipeline(None, None, "mnist")).spec
    assert [
        getattr(spec, name) for name in ("layers", "optimizer", "learning_rate", "loss", "metric")
    ] == [None] * 5
    assert [bound.name for bound in spec.bounds] == ["test accuracy"]


def test_bounds_of_a_training_do_not_apply_to_a_file():
    stated = {"test loss": 0.2, "training accuracy over validation accuracy": 0.01}
    own = dataclasses.replace(OWN, bounds=bounds_of(stated))
    spec = ModelFilePipeline(CheckedPipeline(Own(), own)).spec
    assert [bound.name for bound in spec.bounds] == ["test loss"]


def test_a_file_is_held_to_the_architecture_that_a_spec_states_and_to_no_other_bounds(tmp_path):
    path = tmp_path / "file.toml"
    path.write_text("[[spec.layers]]\nkind = 'Flatten'\n[bounds]\n'test loss' = 0.2")
    spec = ModelFilePipeline(load_pipeline(None, str(path), "mnist")).spec
    assert (spec.layers, spec.optimizer) == ((Layer("Flatten"),), None)
    assert [bound.name for bound in spec.bounds] == ["test loss"]


def test_a_file_is_neither_built_nor_trained():
    subject = ModelFilePipeline(load_pipeline(None, None, "mnist"))
    for ask in (lambda: subject.build(0), lambda: subject.fit(None, None, None, seed=0)):
        with pytest.raises(NotRequiredError, match="which does not tell how it was trained"):
            ask()


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (784,)])
def test_a_file_is_given_images_of_its_own_shape(shape):
    class Model:
        input_shape = (None, *shape)

        def __call__(self, images, training):
            assert images.shape == (3, *shape)
            return np.full((len(images), 10), 0.1)

    assert ModelFilePipeline(load_pipeline(None, None, "mnist")).predict(
        Model(), np.zeros((3, 28, 28), np.float32)
    ).shape == (3, 10)


def test_the_subject_of_a_file_travels():
    arrived = pickle.loads(pickle.dumps(ModelFilePipeline(CheckedPipeline(Own(), OWN))))
    assert arrived.name == "Own"
    assert arrived.spec.bounds == ModelFilePipeline(CheckedPipeline(Own(), OWN)).spec.bounds


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.keras", None, "there is no such file$"),
        ("m.h5", b"HDF", r"HDF5 .*: keras\.models\.load_model\('m\.h5'\)\.save\('m\.keras'\)$"),
        ("m.hdf5", b"HDF", r"HDF5 is Keras's old format"),
        (
            "m.keras",
            b"no zip",
            r"not a \.keras file, which is a zip archive; save it with model\.save",
        ),
        ("m.pkl", b"pickle", r"not a \.keras file"),
        ("folder/x", b"", r"a folder; required a \.keras file$"),
        (
            "folder/saved_model.pb",
            b"",
            r"a SavedModel folder, which Keras 3 cannot load as a model; if you",
        ),
    ],
)
def test_what_is_no_keras_file_is_refused_and_told_how_to_make_one(
    tmp_path, name, content, message
):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    named = path.parent if path.parent != tmp_path else path
    with pytest.raises(MnistlabError, match=f"^--model {named}: {message}") as caught:
        load_model(str(named))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ValueError("Requested the deserialization of a `Lambda` layer ... safe_mode=False"),
            r"contains a Lambda layer, whose code would run, and is not loaded \(safe_mode\); use",
        ),
        (
            TypeError("Could not locate class 'Mine'."),
            r"needs a class that Keras does not have .*that --pipeline names$",
        ),
        (KeyError("config"), r"is not a model that Keras can load \(KeyError: 'config'"),
    ],
)
def test_what_keras_refuses_is_said_in_one_line(tmp_path, monkeypatch, error, message):
    def refuse(path, safe_mode):
        assert safe_mode is True
        raise error

    keras = SimpleNamespace(models=SimpleNamespace(load_model=refuse))
    monkeypatch.setitem(__import__("sys").modules, "keras", keras)
    path = tmp_path / "m.keras"
    zipfile.ZipFile(path, "w").close()
    with pytest.raises(MnistlabError, match=message) as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)


def test_a_real_lambda_layer_is_not_loaded(tmp_path):
    import keras

    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((28, 28)), keras.layers.Lambda(lambda images: images)]).save(path)
    with pytest.raises(
        MnistlabError, match="contains a Lambda layer, whose code would run, and is not loaded"
    ):
        load_model(str(path))
