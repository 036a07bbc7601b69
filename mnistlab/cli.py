"""The command line: ``mnistlab train``, ``validate``, ``baseline``, ``power`` and ``faults``."""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mnistlab import __version__
from mnistlab import options as commands
from mnistlab.errors import MnistlabError
from mnistlab.options import add_options, add_report_option, add_subject_options
from mnistlab.plugin import suite

# Everything heavy is imported where it is used: --help answers at once.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process, if not given.

    Returns
    -------
    int
        0 if all went well, and for ``validate`` if the verdict allows it; else 1.
    """
    parser = _parser()
    options, further = parser.parse_known_args(arguments)
    if further and options.command != "validate":
        parser.error(f"unknown arguments: {' '.join(further)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no weather report from TensorFlow's C++ side
    try:
        if options.command == "validate":
            return validate(options, further)
        return train(options) if options.command == "train" else commands.run(options)
    except MnistlabError as error:
        print(f"mnistlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mnistlab: interrupted; nothing was written", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    data = argparse.ArgumentParser(add_help=False)
    add_options(data.add_argument)
    parser = argparse.ArgumentParser("mnistlab", description="Test a classifier the way code is tested.")
    parser.add_argument("--version", action="version", version=__version__)
    choices = parser.add_subparsers(dest="command", required=True)
    train = choices.add_parser(
        "train", parents=[data], help="train the published recipe", description="Train the published recipe once."
    )
    train.add_argument("--out", metavar="DIR", default="mnist-out", help="a new folder for model and pictures")
    validate = choices.add_parser(
        "validate",
        parents=[data],
        help="judge it: the whole suite, a verdict and a page",
        description="Judge the recipe by the whole suite. Further arguments go to pytest.",
    )
    validate.add_argument("--strict", action="store_true", help="fail also if not everything was judged")
    add_subject_options(validate.add_argument)
    add_report_option(validate.add_argument)
    commands.add_gate_options(validate.add_argument)
    commands.add_commands(choices, data)
    return parser


def validate(options: argparse.Namespace, further: Sequence[str]) -> int:
    """Run the suite that is shipped with the package, whatever the working directory and its configuration."""
    import pytest

    return 0 if pytest.main([*suite.arguments(vars(options)), *further]) == 0 else 1


def train(options: argparse.Namespace) -> int:
    """Train the published recipe, print what came out, and write model and pictures."""
    from mnistlab.data.datasets import load_dataset
    from mnistlab.metrics.evaluation import Evaluation
    from mnistlab.recipe.pipeline import pipeline_for

    with _new_folder(Path(options.out)) as folder:
        dataset = load_dataset(options.dataset, options.mnist_data)
        if dataset.note:
            print(f"This is not MNIST: {dataset.note}")
        print(f"Data: {dataset.name}, from {dataset.source}")
        pipeline = pipeline_for(dataset.name)
        images, labels = pipeline.prepare_images(dataset.train_images), pipeline.prepare_labels(dataset.train_labels)
        with _native_silence():
            model = pipeline.build(options.seed)
        print(f"Training {pipeline.spec.epochs} epochs, seed {options.seed} ...", flush=True)
        history = pipeline.fit(model, images, labels, seed=options.seed)
        keys = ("loss", "accuracy", "val_loss", "val_accuracy")
        for epoch, figures in enumerate(zip(*(history[key] for key in keys), strict=True), start=1):
            text = "  ".join(f"{key} {figure:.4f}" for key, figure in zip(keys, figures, strict=True))
            print(f"Epoch {epoch}/{pipeline.spec.epochs}  {text}")
        test = pipeline.prepare_images(dataset.test_images)
        evaluation = Evaluation(pipeline.predict(model, test), dataset.test_labels)
        print(f"Test loss {evaluation.loss:.4f}, test accuracy {evaluation.accuracy:.4f}")
        for index in range(5):
            truth, read = dataset.test_labels[index], evaluation.predictions[index]
            print(f"Test image {index}: {read}, {evaluation.confidence[index]:.2%} sure; truth {truth}")
        _write_pictures(folder, dataset, history, evaluation)
        model.save(folder / "model.keras")
    print(f"Model and pictures: {options.out}")
    return 0


def _write_pictures(folder: Path, dataset: Any, history: Any, evaluation: Any) -> None:
    from mnistlab.report import figures as plots

    five = (array[:5] for array in (dataset.test_images, evaluation.probabilities, dataset.test_labels))
    figures = {
        "samples": plots.samples(dataset.train_images[:20], dataset.train_labels[:20]),
        "curves": plots.curves(history),
        "first-predictions": plots.first_predictions(*five),
        "confusion": plots.confusion(evaluation.confusion),
    }
    for name, figure in figures.items():
        (folder / f"{name}.png").write_bytes(plots.png(figure))


@contextlib.contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Give a folder aside to write to, which gets its name only when all is written."""
    if path.exists():
        raise MnistlabError(f"{path}: is there already; name another folder with --out, or remove it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    except OSError as error:
        raise MnistlabError(f"{path}: {error.strerror}; name a folder with --out that can be written") from error
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
