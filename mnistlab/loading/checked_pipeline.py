"""A pipeline whose every answer is checked, made from what the command line names."""

import copy
import re
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, Bytes, Floats
from mnistlab.errors import ContractError, MnistlabError, NotJudgedError, describe_error
from mnistlab.loading import contract, importing
from mnistlab.loading.spec_toml import apply_toml
from mnistlab.recipe import DIGITS, PUBLISHED, Pipeline, Spec
from mnistlab.requirement import Requirement

Toml: TypeAlias = tuple[str, str]
"""Text and name of a spec's file."""
Source: TypeAlias = tuple[str | None, str | None, Toml | None, str]
"""Reference, code, spec and dataset, which make a pipeline anew where its files are not."""


@dataclass(eq=False)
class CheckedPipeline:
    """A pipeline whose methods raise ContractError if they break the contract."""

    pipeline: Any
    spec: Spec  # for the dataset at hand
    margin: float | None = None  # of the gates, if ``--spec`` states one
    toml: Toml | None = None
    source: Source | None = None

    def __post_init__(self) -> None:
        """Name the pipeline; only one with the published spec may be named as that recipe."""
        name = getattr(self.pipeline, "name", None)
        is_published = self.pipeline.spec in (PUBLISHED, DIGITS)
        if not isinstance(name, str) or (name == Pipeline.name and not is_published):
            name = type(self.pipeline).__name__
        if not re.fullmatch(r"[\w.-]+", name):
            required = "required letters, digits, - _ and ."
            raise MnistlabError(f"the pipeline's name {name!r} is used in file names; {required}")
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the source, because another process cannot import a class from the user's file."""
        if self.source:
            return _load, self.source
        return CheckedPipeline, (self.pipeline, self.spec)

    @property
    def mnist_bounds(self) -> tuple[Requirement, ...]:
        """The bounds that hold on MNIST, named "... on MNIST", for a run on another dataset."""
        spec = PUBLISHED if self.pipeline.spec is DIGITS else self.pipeline.spec
        stated = spec.bounds if spec.dataset == PUBLISHED.dataset else ()
        return tuple(replace(bound, name=f"{bound.name} on MNIST") for bound in stated)

    def prepare_images(self, images: Bytes) -> Floats:
        """See `Pipeline`. How arrays that are not images are refused is up to the pipeline."""
        array = np.asarray(images)
        if array.dtype != np.uint8 or array.shape[1:] != IMAGE_SHAPE:
            return self.pipeline.prepare_images(images)  # type: ignore[no-any-return]
        return self._array("prepare_images", array.shape, images)

    def prepare_labels(self, labels: Bytes) -> Floats:
        """See `Pipeline`. How arrays that are not labels are refused is up to the pipeline."""
        array = np.asarray(labels)
        if array.dtype != np.uint8 or array.ndim != 1 or (array >= CLASSES).any():
            return self.pipeline.prepare_labels(labels)  # type: ignore[no-any-return]
        return self._array("prepare_labels", (len(array), CLASSES), labels)

    def build(self, seed: int) -> Any:
        """See `Pipeline`. If the spec requires nothing of Keras, any object may be the model."""
        return contract.check_model(self._call("build", seed), self.spec)

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> dict[str, Any]:
        """See `Pipeline`."""
        history = self._call("fit", model, images, labels, seed=seed, epochs=epochs)
        return contract.check_history(history, model)

    def predict(self, model: Any, images: Floats) -> Floats:
        """See `Pipeline`."""
        rows = self._array("predict", (len(images), CLASSES), model, images)
        return contract.check_probabilities(rows)

    def _array(self, method: str, shape: tuple[int, ...], *args: Any) -> Floats:
        return contract.check_array(method, self._call(method, *args), shape)

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the pipeline. Its error becomes a ContractError with the line."""
        try:
            return getattr(self.pipeline, method)(*args, **kwargs)
        except NotJudgedError:
            raise
        except (Exception, SystemExit) as error:
            description = describe_error(error, importing.file_of(self.pipeline))
            problem = f"raised {description}"
            if isinstance(error, ValueError) and "read-only" in str(error):  # NumPy's words
                problem = f"writes to an array that it was given; copy it first: {description}"
            raise ContractError(method, problem) from error


def load_pipeline(reference: str | None, spec_file: str | None, dataset: str) -> CheckedPipeline:
    """Load a pipeline by its reference, or the published recipe, with a TOML spec over its own."""
    code = importing.read_source(reference) if reference else None
    return _load(reference, code, _read_toml(spec_file), dataset)


def check_pipeline(
    pipeline: Any, spec_file: str | None = None, dataset: str = "mnist"
) -> CheckedPipeline:
    """Wrap a pipeline object, or its class, that Python code hands over; see `load_pipeline`."""
    owner = pipeline if isinstance(pipeline, type) else type(pipeline)
    instance = importing.checked_instance(owner.__name__, pipeline)
    return _with_spec(instance, _read_toml(spec_file), dataset)


def _read_toml(path: str | None) -> Toml | None:
    return (importing.read_text(path, f"--spec {path}"), path) if path else None


def _load(*source: Any) -> CheckedPipeline:
    reference, code, toml, dataset = source
    pipeline = importing.import_pipeline(reference, code) if reference else Pipeline()
    checked = _with_spec(pipeline, toml, dataset)
    checked.source = source
    return checked


def _with_spec(pipeline: Any, toml: Toml | None, dataset: str) -> CheckedPipeline:
    """Check a pipeline, by its own spec or the published one for this dataset, and TOML over it."""
    if pipeline.spec is PUBLISHED and dataset == DIGITS.dataset:
        pipeline = copy.copy(pipeline)  # the user's instance may be judged on MNIST as well
        pipeline.spec = DIGITS
    spec, margin = _for_dataset(pipeline.spec, dataset), None
    if toml:
        spec, margin = apply_toml(*toml, spec)
        spec = _for_dataset(spec, dataset)
    return CheckedPipeline(pipeline, spec, margin, toml)


def _for_dataset(spec: Spec, dataset: str) -> Spec:
    """Return the spec, without its bounds if these hold for another dataset."""
    return spec if spec.dataset == dataset else replace(spec, dataset=dataset, bounds=())
