"""A model from a ``.keras`` file, judged as it is: nothing is known of its training."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from mnistlab.arrays import Floats
from mnistlab.errors import MnistlabError, NotRequiredError
from mnistlab.loading.checked_pipeline import CheckedPipeline
from mnistlab.loading.spec_toml import apply_toml
from mnistlab.recipe import KERAS_FIELDS, Pipeline, Spec, input_shape_of, read_model

UNTRAINED = "--model judges a file, which does not tell how it was trained"


class ModelFilePipeline(CheckedPipeline):
    """A pipeline that prepares images for a model from a file, and neither builds nor trains."""

    def __init__(self, checked: CheckedPipeline, model: Any = None) -> None:
        super().__init__(checked.pipeline, _spec_of(checked), checked.margin)
        self._checked = checked
        self.model = model

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it without the model, which is None in another process."""
        return ModelFilePipeline, (self._checked,)

    def build(self, *_: Any, **__: Any) -> NoReturn:
        """Raise NotRequiredError."""
        raise NotRequiredError(UNTRAINED)

    fit = build

    def predict(self, model: Any, images: Floats) -> Floats:
        """See `Pipeline`. Images are reshaped to what the model takes, if that is 784 pixels."""
        shape = input_shape_of(model) or images.shape[1:]
        return super().predict(model, images.reshape(len(images), *shape))


def load_model(path: str) -> Any:
    """Load the ``.keras`` file that ``--model`` names; MnistlabError if Keras cannot load it."""
    try:
        return read_model(Path(path))
    except MnistlabError as error:
        raise MnistlabError(f"--model {path}: {error}") from error


def _spec_of(checked: CheckedPipeline) -> Spec:
    """Return the spec of a pipeline for a file, without what only a training can be judged by.

    The published recipe requires nothing of a file's architecture but what ``--spec`` states.
    """
    spec = checked.spec
    if type(checked.pipeline) is Pipeline:
        none: Any = dict.fromkeys(KERAS_FIELDS)
        spec = replace(spec, **none)
        if checked.toml:
            spec, _ = apply_toml(*checked.toml, replace(spec, bounds=()))
    bounds = (it for it in spec.bounds if it.group not in ("architecture", "training"))
    of_file = tuple(it for it in bounds if not it.name.startswith("training accuracy"))
    return replace(spec, bounds=of_file)
