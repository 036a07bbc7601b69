"""Many seeds are trained and measured, here with a pipeline that needs no Keras."""

import functools
import os
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.data import Dataset, slice_by_feature
from mnistlab.data.slices import features
from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend
from mnistlab.gate.seed_runs import NOISE, SeedRunner, as_columns, open_runner, perturb

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
    """A pipeline without Keras whose model is how sure it is."""

    def __init__(self, averaged=True, dies_at=-1):
        self.averaged, self.dies_at = averaged, dies_at
        self.prepare_images = self.prepare_labels = np.asarray
        self.build = sure_model

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Be surer for a higher seed; with one of them, end the process without a trace."""
        if seed == self.dies_at:
            os._exit(1)
        model.set_weights([0.5 + 0.001 * seed])
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


def train_seeds(pipeline, seeds):
    with open_runner(SeedRunner(pipeline, DATASET), Backend(processes=1)) as train:
        return list(train(seeds))


def test_final_and_averaged_weights_are_measured():
    run = SeedRunner(Fake(), DATASET)(7)
    assert run.seed == 7
    assert run.metrics["final loss"] == pytest.approx(-np.log(0.507), abs=1e-6)
    assert run.metrics["averaged loss"] == pytest.approx(-np.log(0.9), abs=1e-6)
    assert run.metrics[NOISE] == pytest.approx(np.log(0.9 / 0.507), abs=1e-6)
    assert run.metrics["final true-class probability"] == pytest.approx(0.507)
    names = ("accuracy", "worst recall", "calibration error", "recall of 9", "slant: left")
    assert {f"averaged {name}" for name in names} <= set(run.metrics)
    assert run.evaluation.loss == run.metrics["final loss"]


def test_a_digit_without_images_has_no_recall():
    few = Dataset("mnist", "", "", IMAGES, LABELS, IMAGES[LABELS < 9], LABELS[LABELS < 9])
    pipeline = Fake()
    pipeline.predict = lambda model, images: Fake.predict(pipeline, model, IMAGES)[LABELS < 9]
    assert "final recall of 9" not in SeedRunner(pipeline, few)(7).metrics


def test_a_fit_without_average_has_final_weights_only():
    metrics = SeedRunner(Fake(averaged=False), DATASET)(1).metrics
    assert {key.partition(" ")[0] for key in metrics} == {"final"}
    assert NOISE not in metrics


def test_the_digest_is_the_same_for_the_same_training_only():
    run = SeedRunner(Fake(), DATASET)
    assert run(7).digest == run(7).digest != run(8).digest


def test_perturbed_runs_train_with_other_images_and_are_tested_with_the_same():
    seen = []

    class Watched(Fake):
        """Keeps the images that it is trained with."""

        def __init__(self):
            super().__init__()
            self.prepare_images = lambda images: images.astype(np.float32) / 255

        def fit(self, model, images, labels, *, seed, epochs=None):
            """Keep them."""
            seen.append(images)
            return super().fit(model, images, labels, seed=seed)

        def predict(self, model, images):
            """Keep them too."""
            seen.append(images)
            return super().predict(model, images)

    for perturbed in (False, True):
        SeedRunner(Watched(), DATASET, perturbed)(1)
    (images, test, _), (changed, same, _) = seen[:3], seen[3:]
    assert np.array_equal(test, same)
    assert not np.array_equal(images, changed)


def test_a_perturbation_is_one_step_of_float32_in_every_second_value_that_is_not_zero():
    images = np.linspace(0, 1, 98, dtype=np.float32).reshape(2, 7, 7)
    before, after = images.copy(), perturb(images)
    assert np.array_equal(images, before)
    changed = np.flatnonzero(after != images)
    assert changed.tolist() == list(range(2, 98, 2))
    step = np.spacing(images.ravel()[changed])
    assert np.array_equal(after.ravel()[changed] - images.ravel()[changed], step)


def test_a_runner_in_another_process_perturbs_too():
    assert pickle.loads(pickle.dumps(SeedRunner(Fake(), DATASET, perturbed=True))).perturbed


def test_processes_train_what_one_process_trains_and_one_that_dies_is_an_error(
    monkeypatch, pytestconfig
):
    # Other processes import the pipelines of this module, after the installed package.
    monkeypatch.setattr(sys, "path", [*sys.path, str(pytestconfig.rootpath)])
    one, two = train_seeds(Fake(), [5, 2, 9]), []

    def train_in_processes():
        runner = SeedRunner(Fake(dies_at=4), DATASET)
        with open_runner(runner, Backend(processes=2)) as train:
            two.extend(train([5, 2, 9]))
            list(train([3, 4]))

    with pytest.raises(MnistlabError, match=r"a training process .* exit code 1; is there memory"):
        train_in_processes()
    assert [run.seed for run in two] == [5, 2, 9]
    assert [run.metrics for run in one] == [run.metrics for run in two]
    assert [run.digest for run in one] == [run.digest for run in two]


def test_columns_keep_the_metrics_that_all_seeds_have():
    runs = train_seeds(Fake(), [1, 2])
    del runs[0].metrics["final recall of 3"]
    columns = as_columns(runs)
    assert columns["final loss"].tolist() == [run.metrics["final loss"] for run in runs]
    assert "final recall of 3" not in columns
    assert "averaged recall of 3" in columns


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
