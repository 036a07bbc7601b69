"""``mnistlab train``: train the published recipe once, and write the model with its pictures."""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mnistlab.data import load_dataset
from mnistlab.errors import MnistlabError
from mnistlab.metrics import Evaluation
from mnistlab.metrics import figures as metric_figures
from mnistlab.recipe import pipeline_for
from mnistlab.report import figures


def run(options: argparse.Namespace) -> int:
    """Train the published recipe, print what came out, and write model and pictures."""
    with _new_folder(Path(options.out)) as folder:
        dataset = load_dataset(options.dataset, options.mnist_data)
        if dataset.note:
            print(f"This is not MNIST: {dataset.note}")
        print(f"Data: {dataset.name}, from {dataset.source}")
        pipeline = pipeline_for(dataset.name)
        images, labels = (
            pipeline.prepare_images(dataset.train_images),
            pipeline.prepare_labels(dataset.train_labels),
        )
        with _native_silence():
            model = pipeline.build(options.seed)
        print(f"Training {pipeline.spec.epochs} epochs, seed {options.seed} ...", flush=True)
        history = pipeline.fit(model, images, labels, seed=options.seed)
        keys = ("loss", "accuracy", "val_loss", "val_accuracy")
        for epoch, values in enumerate(zip(*(history[key] for key in keys), strict=True), start=1):
            text = "  ".join(f"{key} {value:.4f}" for key, value in zip(keys, values, strict=True))
            print(f"Epoch {epoch}/{pipeline.spec.epochs}  {text}")
        test = pipeline.prepare_images(dataset.test_images)
        evaluation = Evaluation(pipeline.predict(model, test), dataset.test_labels)
        print(f"Test loss {evaluation.loss:.4f}, test accuracy {evaluation.accuracy:.4f}")
        for index in range(5):
            truth, read = dataset.test_labels[index], evaluation.predictions[index]
            print(
                f"Test image {index}: {read}, {evaluation.confidence[index]:.2%} sure; truth {truth}"
            )
        _write_pictures(folder, dataset, history, evaluation)
        model.save(folder / "model.keras")
    print(f"Model and pictures: {options.out}")
    return 0


def _write_pictures(folder: Path, dataset: Any, history: Any, evaluation: Any) -> None:
    five = (
        array[:5] for array in (dataset.test_images, evaluation.probabilities, dataset.test_labels)
    )
    drawn = {
        "samples": figures.samples(dataset.train_images[:20], dataset.train_labels[:20]),
        "curves": figures.curves(history),
        "first-predictions": metric_figures.first_predictions(*five),
        "confusion": metric_figures.confusion(evaluation.confusion),
    }
    for name, figure in drawn.items():
        (folder / f"{name}.png").write_bytes(figures.png(figure))


@contextlib.contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Give a folder aside to write to, which gets its name only when all is written."""
    if path.exists():
        raise MnistlabError(
            f"{path}: is there already; name another folder with --out, or remove it"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    except OSError as error:
        raise MnistlabError(
            f"{path}: {error.strerror}; name a folder with --out that can be written"
        ) from error
    try:
        yield aside
        aside.chmod(0o755)
        aside.rename(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _native_silence() -> Iterator[None]:
    """Keep what TensorFlow's C++ side writes while it is loaded from standard error; Python's errors still raise."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
