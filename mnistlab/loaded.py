"""A model from a file, of whose making nothing is known."""

from __future__ import annotations

import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mnistlab import specfile
from mnistlab.errors import MnistlabError, NotAskedError, NotJudgedError, described
from mnistlab.requirement import Requirement
from mnistlab.spec import Spec
from mnistlab.subject import Subject

UNTRAINED = "--model judges a file, which does not tell how it was trained"
SAVE = "save it with model.save('model.keras')"


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


class FileSubject(Subject):
    """A file's model, which is given images as a pipeline prepares them, and is neither built nor trained.

    Attributes
    ----------
    model : keras.Model or None
        It does not travel.
    """

    def __init__(self, subject: Subject, spec: Spec, model: Any = None) -> None:
        super().__init__(subject.pipeline, spec, subject.origin, subject.margin)
        self._subject = subject
        self.model = model

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as what it was made from."""
        return FileSubject, (self._subject, self.spec)

    def build(self, seed: int) -> NoReturn:
        """Refuse."""
        raise NotAskedError(UNTRAINED)

    def fit(self, *arguments: Any, **named: Any) -> NoReturn:
        """Refuse."""
        raise NotAskedError(UNTRAINED)

    def predict(self, model: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Pipeline`; images of 28 x 28 are given the shape that the model takes, if it has as many pixels."""
        shape = getattr(model, "input_shape", None)
        if isinstance(shape, tuple) and None not in shape[1:] and math.prod(shape[1:]) == images[:1].size:
            images = images.reshape(-1, *shape[1:])
        return super().predict(model, images)


def of_file(subject: Subject, model: Any = None) -> FileSubject:
    """Return what judges a file: by its pipeline's spec, else by what ``--spec`` states, else by the recipe's bounds.

    Of an architecture that nobody stated nothing is asked, nor of how the file was trained.
    """
    spec, origin = subject.spec, subject.origin
    if origin is None or not origin.reference:
        spec = replace(spec, layers=None, optimizer=None, learning_rate=None, loss=None, metric=None)
        if origin and origin.toml is not None:
            spec = specfile.applied(origin.toml, str(origin.spec_file), replace(spec, bounds=())).spec
    return FileSubject(subject, replace(spec, bounds=tuple(filter(_tells_of_a_file, spec.bounds))), model)


def _tells_of_a_file(bound: Requirement) -> bool:
    """Tell whether a bound is about a model, and not about its training."""
    return bound.group not in ("architecture", "training") and not bound.name.startswith("training accuracy")


def load_model(path: str) -> Any:
    """Load the ``.keras`` file that ``--model`` names; no code that comes with it is run.

    Raises
    ------
    MnistlabError
        If there is none, or it cannot be loaded, with how to mend that.
    """
    _check_format(Path(path), f"--model {path}: ")
    import keras

    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:
        text = str(error)
        if "lambda" in text.lower() and "safe" in text.lower():
            what = "holds a Lambda layer, whose code would be run, and is not loaded (safe_mode)"
            advice = "build the model without it, for instance with keras.layers.Rescaling or a layer of your own"
        elif "Could not locate" in text:
            what = f"needs a class that is not Keras's ({described(error, None)})"
            advice = (
                "name the pipeline whose file defines it, with @keras.saving.register_keras_serializable, by --pipeline"
            )
        else:
            what, advice = f"is not a model that Keras can load ({described(error, None)})", SAVE
        raise MnistlabError(f"--model {path}: {what}; {advice}") from error


def _check_format(path: Path, what: str) -> None:
    """Refuse what is no ``.keras`` file, and say how to make one."""
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            advice = f"where the Keras model is, {SAVE}; or wrap it: keras.layers.TFSMLayer in a --pipeline's build"
            raise MnistlabError(f"{what}a SavedModel folder, which Keras 3 does not load as a model; {advice}")
        raise MnistlabError(f"{what}a folder; required a .keras file")
    if not path.is_file():
        raise MnistlabError(f"{what}there is no such file")
    if path.suffix in (".h5", ".hdf5"):
        advice = f"keras.models.load_model({path.name!r}).save({path.with_suffix('.keras').name!r})"
        raise MnistlabError(f"{what}HDF5 is Keras's old format; where you trust the file, convert it: {advice}")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise MnistlabError(f"{what}not a .keras file, which is a zip archive; {SAVE}")
