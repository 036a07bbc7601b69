"""A model from a file, of whose making nothing is known."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError, NotJudgedError, NotRequiredError
from mnistlab.loading import spec_toml
from mnistlab.loading.checked_pipeline import CheckedPipeline
from mnistlab.recipe import SAVE, Spec, image_shape, read_model

UNTRAINED = "--model judges a file, which does not tell how it was trained"


class Unknown(dict[str, Any]):
    """What is not known of a training: a mapping or a sequence in which everything is missing, for a reason."""

    def __init__(self, reason: NotJudgedError) -> None:
        super().__init__()
        self.reason = reason

    def __missing__(self, key: object) -> NoReturn:
        """Refuse to tell."""
        raise self.reason

    def __iter__(self) -> NoReturn:
        """Refuse to tell."""
        raise self.reason


class History(dict[str, Any]):
    """What ``fit`` returned; who asks for more cannot judge."""

    def __missing__(self, key: object) -> NoReturn:
        """Refuse to tell."""
        raise NotJudgedError(f"the history that fit returned has no {key!r}")


class ModelFilePipeline(CheckedPipeline):
    """A file's model, which is given images as a pipeline prepares them, and is neither built nor trained.

    `model` is a keras.Model, which does not travel: None in another process.
    """

    def __init__(self, subject: CheckedPipeline, spec: Spec, model: Any = None) -> None:
        super().__init__(subject.pipeline, spec, subject.origin, subject.margin)
        self._subject = subject
        self.model = model

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as what it was made from."""
        return ModelFilePipeline, (self._subject, self.spec)

    def build(self, seed: int) -> NoReturn:
        """Refuse."""
        raise NotRequiredError(UNTRAINED)

    def fit(self, *arguments: Any, **named: Any) -> NoReturn:
        """Refuse."""
        raise NotRequiredError(UNTRAINED)

    def predict(self, model: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Pipeline`; images of 28 x 28 are given the shape that the model takes, if it has as many pixels."""
        shape = image_shape(model)
        return super().predict(
            model, images if shape is None else images.reshape(len(images), *shape)
        )


def as_file_pipeline(subject: CheckedPipeline, model: Any = None) -> ModelFilePipeline:
    """Return what judges a file: by its pipeline's spec, else by what ``--spec`` states, else by the recipe's bounds.

    Of an architecture that nobody stated nothing is asked, nor of how the file was trained.
    """
    spec, origin = subject.spec, subject.origin
    if origin is None or not origin.reference:
        spec = replace(
            spec, layers=None, optimizer=None, learning_rate=None, loss=None, metric=None
        )
        if origin and origin.toml is not None:
            spec, _ = spec_toml.apply_toml(
                origin.toml, str(origin.spec_file), replace(spec, bounds=())
            )
    about = (
        bound for bound in spec.bounds if bound.group not in ("architecture", "training")
    )  # the model, as it is
    kept = tuple(bound for bound in about if not bound.name.startswith("training accuracy"))
    return ModelFilePipeline(subject, replace(spec, bounds=kept), model)


def load_model(path: str) -> Any:
    """Load the ``.keras`` file that ``--model`` names; MnistlabError says why not, and how to mend that."""
    try:
        _check_format(Path(path))
        return read_model(Path(path))
    except MnistlabError as error:
        raise MnistlabError(f"--model {path}: {error}") from error


def _check_format(path: Path) -> None:
    """Refuse what is no ``.keras`` file, and say how to make one."""
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            advice = f"where the Keras model is, {SAVE}; or wrap it: keras.layers.TFSMLayer in a --pipeline's build"
            raise MnistlabError(
                f"a SavedModel folder, which Keras 3 does not load as a model; {advice}"
            )
        raise MnistlabError("a folder; required a .keras file")
    if not path.is_file():
        raise MnistlabError("there is no such file")
    if path.suffix in (".h5", ".hdf5"):
        advice = f"keras.models.load_model({path.name!r}).save({path.with_suffix('.keras').name!r})"
        raise MnistlabError(
            f"HDF5 is Keras's old format; where you trust the file, convert it: {advice}"
        )
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise MnistlabError(f"not a .keras file, which is a zip archive; {SAVE}")
