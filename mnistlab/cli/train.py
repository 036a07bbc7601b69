"""``mnistlab train``: train the published recipe once, and write the model with its pictures."""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mnistlab.cli.shared import import_keras, load_data
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.metrics import Evaluation
from mnistlab.metrics import figures as metric_figures
from mnistlab.recipe import History, pipeline_for
from mnistlab.report import figures

KEYS = ("loss", "accuracy", "val_loss", "val_accuracy")
SHOWN = 5
"""Test images whose predictions are printed and drawn."""


def run(options: argparse.Namespace) -> int:
    """Train, print the results, and write model and pictures into a new folder."""
    with _new_folder(Path(options.out)) as folder:
        dataset = load_data(options)
        print(f"Data: {dataset.name}, from {dataset.source}")
        pipeline = pipeline_for(dataset.name)
        images = pipeline.prepare_images(dataset.train_images)
        labels = pipeline.prepare_labels(dataset.train_labels)
        import_keras()
        model = pipeline.build(options.seed)
        print(f"Training {pipeline.spec.epochs} epochs, seed {options.seed} ...", flush=True)
        history = pipeline.fit(model, images, labels, seed=options.seed)
        test = pipeline.prepare_images(dataset.test_images)
        evaluation = Evaluation(pipeline.predict(model, test), dataset.test_labels)
        _print_results(history, evaluation)
        _write_pictures(folder, dataset, history, evaluation)
        model.save(folder / "model.keras")
    print(f"Model and pictures: {options.out}")
    return 0


def _print_results(history: History, evaluation: Evaluation) -> None:
    epochs = len(history["loss"])
    for epoch in range(epochs):
        text = "  ".join(f"{key} {history[key][epoch]:.4f}" for key in KEYS)
        print(f"Epoch {epoch + 1}/{epochs}  {text}")
    print(f"Test loss {evaluation.loss:.4f}, test accuracy {evaluation.accuracy:.4f}")
    for index in range(SHOWN):
        prediction, truth = evaluation.predictions[index], evaluation.labels[index]
        confidence = evaluation.confidence[index]
        print(f"Test image {index}: {prediction}, confidence {confidence:.2%}; truth {truth}")


def _write_pictures(
    folder: Path, dataset: Dataset, history: History, evaluation: Evaluation
) -> None:
    first = metric_figures.first_predictions(
        dataset.test_images[:SHOWN], evaluation.probabilities[:SHOWN], dataset.test_labels[:SHOWN]
    )
    pictures = {
        "samples": figures.samples(dataset.train_images[:20], dataset.train_labels[:20]),
        "curves": figures.curves(history),
        "first-predictions": first,
        "confusion": metric_figures.confusion(evaluation.confusion),
    }
    for name, figure in pictures.items():
        (folder / f"{name}.png").write_bytes(figures.png(figure))


@contextlib.contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Provide a temporary folder that gets its name when everything in it is written."""
    if path.exists():
        raise MnistlabError(f"{path}: exists already; name another folder with --out, or remove it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{path.name}-", ignore_cleanup_errors=True
        )
    except OSError as error:
        advice = "name a writable folder with --out"
        raise MnistlabError(f"{path}: {error.strerror}; {advice}") from error
    with temporary as name:
        yield Path(name)
        Path(name).chmod(0o755)
        Path(name).rename(path)
