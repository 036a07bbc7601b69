"""What several commands do: check a folder, load the data, import Keras without its noise."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mnistlab.data import Dataset, load_dataset
from mnistlab.environment import baseline_folder
from mnistlab.errors import MnistlabError
from mnistlab.gate import Baseline, baseline_path
from mnistlab.loading import CheckedPipeline, load_pipeline
from mnistlab.report import check_writable


def require_writable(option: str, folder: Path, names: Sequence[str]) -> None:
    """Raise MnistlabError if files cannot be written to the folder that an option names."""
    try:
        check_writable(folder, *names)
    except OSError as error:
        advice = f"name a folder with {option} that can be written"
        raise MnistlabError(f"{error.filename or folder}: {error.strerror}; {advice}") from error


def load_data(options: argparse.Namespace) -> Dataset:
    """Load the dataset that the options name; say so if MNIST was wanted and is not there."""
    dataset = load_dataset(options.dataset, options.mnist_data)
    if dataset.note:
        print(f"This is not MNIST: {dataset.note}")
    return dataset


def load_accepted(options: argparse.Namespace) -> tuple[CheckedPipeline, Path, Baseline]:
    """Load a pipeline and what was accepted of it; the data is read only to tell its name."""
    name = load_data(options).name if options.dataset == "auto" else options.dataset
    pipeline = load_pipeline(options.pipeline, options.spec, name)
    file = baseline_path(Path(), pipeline.name, name).name
    path = baseline_folder(options.baselines, file) / file
    return pipeline, path, Baseline.load(path)


def import_keras() -> None:
    """Import Keras without the lines that C++ code writes to stderr; Python errors are raised."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
