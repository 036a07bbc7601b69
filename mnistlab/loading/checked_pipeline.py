"""What is judged: a pipeline found by its name, whose every answer is checked."""

import copy
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import ContractError, MnistlabError, NotJudgedError, describe_error
from mnistlab.loading import contract, spec_toml
from mnistlab.loading.importing import file_of, import_pipeline, read_source
from mnistlab.recipe import DIGITS, PUBLISHED, Pipeline, Spec, pipeline_for
from mnistlab.requirement import Requirement

Array: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class PipelineSource:
    """Where a subject comes from: enough to make it again in another process, also one without its files."""

    reference: str | None
    source: str | None
    spec_file: str | None
    toml: str | None
    dataset: str


class CheckedPipeline:
    """A pipeline whose five methods are checked: whatever they must not return or raise is a ContractError.

    `name`, for file names and reports, is the pipeline's, or its class's, if it has a spec of its own and no name;
    `spec` is what is promised of the dataset at hand; `margin` of the gates is a fraction, or None if none is stated.
    """

    def __init__(
        self,
        pipeline: Any,
        spec: Spec,
        origin: PipelineSource | None = None,
        margin: float | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.origin = origin
        self.spec = spec
        self.margin = margin
        self.name = _name_of(pipeline)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as what it was made from: a class in a file cannot be imported elsewhere."""
        return (
            (_made, (self.origin,))
            if self.origin
            else (CheckedPipeline, (self.pipeline, self.spec))
        )

    def prepare_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Pipeline`; what is no image is for the pipeline to refuse, as it likes."""
        array = np.asarray(images)
        if array.dtype != np.uint8 or array.shape[1:] != (28, 28):
            return self.pipeline.prepare_images(images)  # type: ignore[no-any-return]
        return contract.check_array(
            "prepare_images", self._call("prepare_images", images), array.shape
        )

    def prepare_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Pipeline`; what is no label is for the pipeline to refuse, as it likes."""
        array = np.asarray(labels)
        if array.dtype != np.uint8 or array.ndim != 1 or (array >= contract.CLASSES).any():
            return self.pipeline.prepare_labels(labels)  # type: ignore[no-any-return]
        found = self._call("prepare_labels", labels)
        return contract.check_array("prepare_labels", found, (len(array), contract.CLASSES))

    def build(self, seed: int) -> Any:
        """See `Pipeline`; of a spec that promises no Keras model, the model may be any object."""
        return contract.check_model(self._call("build", seed), self.spec)

    def fit(
        self, model: Any, images: Array, labels: Array, *, seed: int, epochs: int | None = None
    ) -> dict[str, Any]:
        """See `Pipeline`."""
        history = self._call("fit", model, images, labels, seed=seed, epochs=epochs)
        return contract.check_history(history, model, self.spec)

    def predict(self, model: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Pipeline`."""
        found = self._call("predict", model, images)
        return contract.check_probabilities(
            contract.check_array("predict", found, (len(images), contract.CLASSES))
        )

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the pipeline; an error inside it is named with the line that raised it."""
        try:
            return getattr(self.pipeline, method)(*arguments, **named)
        except NotJudgedError:
            raise
        except (Exception, SystemExit) as error:
            said = describe_error(error, file_of(self.pipeline))
            if isinstance(error, ValueError) and "read-only" in str(error):  # NumPy's words
                raise ContractError(
                    method, f"writes to an array that it was given; let it copy it: {said}"
                ) from error
            raise ContractError(method, f"raised {said}") from error


def load_pipeline(
    reference: str | None, spec_file: str | None, dataset_name: str
) -> CheckedPipeline:
    """Find what is to be judged on a dataset, ``"mnist"`` or ``"digits"``; MnistlabError if it is no pipeline.

    `reference` is ``FILE.py:Name`` or ``package.module:Name``, a class or an instance, or None, the published recipe;
    `spec_file` a TOML file that is put over its spec, see `mnistlab.loading.spec_toml`.
    """
    source = read_source(reference) if reference else None
    toml = None
    if spec_file:
        try:
            toml = Path(spec_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MnistlabError(f"--spec {spec_file}: cannot be read ({error})") from error
    return _made(PipelineSource(reference, source, spec_file, toml, dataset_name))


def _made(origin: PipelineSource) -> CheckedPipeline:
    """Make the subject; every time anew, for a pipeline may keep what it likes."""
    pipeline: Any = pipeline_for(origin.dataset)
    if origin.reference:
        pipeline = import_pipeline(origin.reference, origin.source)
    pipeline, spec = _promised(pipeline, origin.dataset)
    if origin.toml is None:
        return CheckedPipeline(pipeline, spec, origin)
    spec, margin = spec_toml.apply_toml(origin.toml, str(origin.spec_file), spec)
    return CheckedPipeline(pipeline, _of(spec, origin.dataset), origin, margin)


def _promised(pipeline: Any, dataset: str) -> tuple[Any, Spec]:
    """Return the pipeline and what it promises of a dataset."""
    spec = pipeline.spec
    if (
        spec is PUBLISHED and dataset == DIGITS.dataset
    ):  # whatever it does otherwise, it is the recipe's promise
        pipeline = copy.copy(pipeline)
        pipeline.spec = DIGITS
        return pipeline, DIGITS
    return pipeline, _of(spec, dataset)


def _of(spec: Spec, dataset: str) -> Spec:
    """Return a spec without its bounds, if they are another dataset's, about which they say nothing."""
    return spec if spec.dataset == dataset else replace(spec, dataset=dataset, bounds=())


def mnist_bounds(pipeline: Any) -> tuple[Requirement, ...]:
    """Return what a pipeline promises of MNIST, also where it is judged on something else."""
    spec = getattr(pipeline, "pipeline", pipeline).spec
    return (
        PUBLISHED.bounds
        if spec is DIGITS
        else spec.bounds
        if spec.dataset == PUBLISHED.dataset
        else ()
    )


def _name_of(pipeline: Any) -> str:
    """Return a name for the pipeline's files: that of the published recipe only where it is its spec as well."""
    name = getattr(pipeline, "name", None)
    published = pipeline.spec in (PUBLISHED, DIGITS)
    if not isinstance(name, str) or (name == Pipeline.name and not published):
        name = type(pipeline).__name__
    if not re.fullmatch(r"[\w.-]+", name):
        raise MnistlabError(
            f"the pipeline's name {name!r} is used in file names; required letters, digits, - _ and ."
        )
    return name
