"""Many seeds are trained and measured, here with a pipeline that needs no Keras."""

import functools
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.data.datasets import Dataset
from mnistlab.data.slices import features, slice_by_feature
from mnistlab.errors import MnistlabError
from mnistlab.execution.pool import Backend
from mnistlab.gate.seed_runs import GAP, SeedRunner, columns, train_seeds

LABELS = np.tile(np.arange(10, dtype=np.uint8), 6)
IMAGES = np.zeros((60, 28, 28), np.uint8)
IMAGES[:, 8:20, 13:15] = 255


class MadeUp(Dataset):
    """A dataset that other processes make themselves."""

    def __reduce__(self):
        """Name how."""
        return made_up, ()


def made_up():
    return MadeUp("mnist", "a test", "ab" * 32, IMAGES, LABELS, IMAGES, LABELS)


DATASET = made_up()


class Fake:
    """A pipeline without Keras, whose model is how sure it is; `averaged` is part of what its fit returns."""

    def __init__(self, averaged=True, diverges_at=-1):
        self.averaged, self.diverges_at = averaged, diverges_at
        self.prepare_images = self.prepare_labels = np.asarray
        self.build = sure_model

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Be surer for a higher seed."""
        model.set_weights([0.5 + 0.001 * seed if seed != self.diverges_at else np.nan])
        return {"averaged_weights": [0.9]} if self.averaged else {}

    def predict(self, model, images):
        """Give the truth that probability."""
        sure = np.float32(model.weights[0])
        probabilities = np.full((len(images), 10), (1 - sure) / 9, np.float32)
        probabilities[np.arange(len(images)), np.resize(LABELS, len(images))] = sure
        return probabilities


def sure_model(seed):
    model = SimpleNamespace()
    model.set_weights = functools.partial(setattr, model, "weights")
    return model


def test_final_and_averaged_weights_are_measured():
    seed = SeedRunner(Fake(), DATASET)(7)
    assert seed.seed == 7
    assert seed.metrics_of["final"]["loss"] == pytest.approx(-np.log(0.507), abs=1e-6)
    assert seed.metrics_of["averaged"]["loss"] == pytest.approx(-np.log(0.9), abs=1e-6)
    assert seed.metrics_of["final"][GAP] == pytest.approx(np.log(0.9 / 0.507), abs=1e-6)
    assert {"accuracy", "worst recall", "calibration error", "digit 9", "slant: left"} <= set(
        seed.metrics_of["averaged"]
    )


class Faded(Fake):
    """Predicts only images that have a white pixel."""

    def __init__(self, instead):
        super().__init__()
        self.instead = instead

    def predict(self, model, images):
        """Give another answer to the others."""
        return np.where(
            (images.max(axis=(1, 2)) == 255)[:, None], super().predict(model, images), self.instead
        )


def test_accuracy_under_corruption_is_the_mean_over_all_corruptions_of_the_first_images():
    assert SeedRunner(Fake(), DATASET)(7).metrics_of["averaged"]["corruption accuracy"] == 1
    trainer = SeedRunner(Faded(0.1), DATASET)
    found = trainer(7).metrics_of["final"]["corruption accuracy"]
    white = trainer._corrupted.reshape(-1, 60, 784).max(axis=2) == 255
    assert 0.1 < white.mean() < 0.95
    assert found == pytest.approx(
        (white | (LABELS == 0)).mean()
    )  # ten equal probabilities read as 0


def test_a_gate_measures_no_accuracy_under_corruption_here_or_elsewhere():
    trainer = SeedRunner(Fake(), DATASET, corrupts=False)
    for each in (trainer, SeedRunner(*trainer.__reduce__()[1])):
        assert "corruption accuracy" not in each(7).metrics_of["final"]


def test_a_pipeline_that_fails_on_corrupted_images_is_measured_without_them():
    found = SeedRunner(Faded(np.nan), DATASET)(7).metrics_of["final"]
    assert found["accuracy"] == 1
    assert "corruption accuracy" not in found


def test_a_fit_without_average_has_final_weights_only():
    assert set(SeedRunner(Fake(averaged=False), DATASET)(1).metrics_of) == {"final"}


def test_a_training_that_diverged_is_named_by_its_seed():
    pipeline = Fake(diverges_at=3)
    with pytest.raises(
        MnistlabError, match="training with seed 3: predict returned NaN or infinity"
    ):
        list(train_seeds(pipeline, DATASET, range(1, 5), place=Backend(processes=1)))


@pytest.fixture
def importable(monkeypatch, pytestconfig):
    """Let other processes import the pipelines of this module; behind the installed package, not before it."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(pytestconfig.rootpath)])


@pytest.mark.usefixtures("importable")
def test_processes_train_what_one_process_trains():
    one, two = (
        list(train_seeds(Fake(), DATASET, [5, 2, 9], place=Backend(processes=n))) for n in (1, 2)
    )
    assert [seed.seed for seed in two] == [5, 2, 9]
    assert [seed.metrics_of for seed in one] == [seed.metrics_of for seed in two]


class Deadly(Fake):
    """Ends the process that trains it."""

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Leave no trace."""
        os._exit(1)


@pytest.mark.usefixtures("importable")
def test_a_process_that_dies_is_an_error_and_not_a_missing_seed():
    with pytest.raises(
        MnistlabError,
        match="a training process crashed: exit code 1; is there memory",
    ):
        list(train_seeds(Deadly(), DATASET, [1, 2], place=Backend(processes=2)))


def test_columns_keep_the_metrics_that_all_seeds_have():
    trained = list(train_seeds(Fake(), DATASET, [1, 2], place=Backend(processes=1)))
    del trained[0].metrics_of["final"]["digit 3"]
    found = columns(trained)
    assert found["final"]["loss"].tolist() == [seed.metrics_of["final"]["loss"] for seed in trained]
    assert "digit 3" not in found["final"]
    assert "digit 3" in found["averaged"]


def bar(width=2, shear=0.0, height=16):
    image = np.zeros((28, 28), np.uint8)
    for row in range(height):
        left = round(13 + shear * (height / 2 - row))
        image[row + (28 - height) // 2, left : left + width] = 255
    return image


def test_thickness_slant_and_size_are_those_of_a_drawn_bar():
    found = features(
        np.stack([bar(2), bar(6), bar(2, shear=0.5), bar(2, shear=-0.5), bar(2, height=8)])
    )
    assert found["thickness"][1] > 2 * found["thickness"][0]
    assert found["slant"][[0, 2, 3]] == pytest.approx([0, 0.5, -0.5], abs=0.05)
    assert found["size"][0] == pytest.approx(np.sqrt((16**2 - 1) / 12 + 0.25), abs=0.01)
    assert found["size"][4] < 0.6 * found["size"][0]


def test_an_image_without_ink_has_features_of_zero():
    found = features(np.zeros((1, 28, 28), np.uint8))
    assert [float(values[0]) for values in found.values()] == [0, 0, 0]


def test_thirds_split_the_images_evenly_and_in_order():
    images = np.stack([bar(width) for width in (1, 2, 3, 4, 5, 6, 7)])
    slices = slice_by_feature(images)
    assert len(slices) == 9
    assert [slices[f"thickness: {name}"].tolist() for name in ("thin", "medium", "thick")] == [
        [0, 1, 2],
        [3, 4],
        [5, 6],
    ]
