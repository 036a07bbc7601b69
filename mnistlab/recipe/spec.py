"""What a pipeline promises: its architecture, how it is trained, and the bounds of its quality."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias

from mnistlab.arrays import CLASSES, PIXELS
from mnistlab.errors import MnistlabError, NotRequiredError
from mnistlab.requirement import Requirement

_Rule: TypeAlias = tuple[Callable[[Any], object], str]
KERAS_FIELDS = ("layers", "optimizer", "learning_rate", "loss", "metric")
"""What a spec can only require of a Keras model."""
OPTIONAL = (*KERAS_FIELDS, "image_range", "units", "activation", "parameters")
"""Fields that may be None, in TOML false: then they are not checked."""
TRAINING = (
    "early stopping", "best weights", "augmentation", "schedule", "warm-up", "fixed order",
    "deterministic",
)  # fmt: skip
"""What a spec may allow a training to do beyond the plain recipe."""


@dataclass(frozen=True)
class Layer:
    """One layer of the required architecture, by the name of its Keras class. None: not checked.

    `units` is the number of units, or of a convolution's filters; `parameters` counts all of the
    layer's parameters, `untrained` those that no gradient trains: the moving statistics of a batch
    normalisation.

    Examples
    --------
    >>> Layer("Dense", 10, "softmax", parameters=128 * 10 + 10)
    Layer(kind='Dense', units=10, activation='softmax', parameters=1290, untrained=0)
    """

    kind: str
    units: int | None = None
    activation: str | None = None
    parameters: int | None = None
    untrained: int = 0

    def __post_init__(self) -> None:
        """Check every field."""
        _check_fields(self)


def is_number(value: Any) -> bool:
    """Tell whether a value is a number that is neither NaN nor too large for an array."""
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and -(2**63) <= value <= 2**63


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and is_number(value) and value >= 0


def _are_all(values: Any, item_type: type) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, item_type) for value in values)


def _is_range(it: Any) -> bool:
    return isinstance(it, tuple) and len(it) == 2 and all(map(is_number, it)) and it[0] < it[1]


def _are_margins(values: Any) -> bool:
    return isinstance(values, Mapping) and all(
        isinstance(name, str) and (margin is None or (is_number(margin) and margin > 0))
        for name, margin in values.items()
    )


_COUNT: _Rule = (_is_count, "a whole number")
_COUNT_FROM_1: _Rule = (lambda it: _is_count(it) and it > 0, "a whole number from 1")
_TEXT: _Rule = (lambda it: isinstance(it, str) and it != "", "a string")
_RULES: Mapping[str, _Rule] = {
    "dataset": (
        lambda it: isinstance(it, str) and re.fullmatch(r"[\w.-]+", it),
        "a name of letters, digits, - _ and .",
    ),
    "layers": (lambda it: _are_all(it, Layer), "a tuple of Layer (in TOML [[spec.layers]])"),
    "optimizer": _TEXT,
    "learning_rate": (lambda it: is_number(it) and it > 0, "a number above 0"),
    "loss": _TEXT,
    "metric": _TEXT,
    "epochs": _COUNT_FROM_1,
    "batch_size": _COUNT_FROM_1,
    "validation_split": (lambda it: is_number(it) and 0 <= it < 1, "a number from 0, below 1"),
    "image_range": (_is_range, "the least and the largest value, as (0.0, 1.0)"),
    "refuses_wrong_input": (lambda it: isinstance(it, bool), "True or False"),
    "training": (
        lambda it: isinstance(it, tuple) and all(each in TRAINING for each in it),
        f"a tuple, in TOML a list, of {', '.join(map(repr, TRAINING))}",
    ),
    "bounds": (lambda it: _are_all(it, Requirement), "a tuple of Requirement"),
    "gate": (_are_margins, "margins above 0 by metric, None for no margin"),
    "kind": _TEXT,
    "units": _COUNT,
    "activation": _TEXT,
    "parameters": _COUNT,
    "untrained": _COUNT,
}
"""For each field of `Spec` and `Layer` which values it may have, as a test and in words."""


def _check_fields(settings: Any, prefix: str = "") -> None:
    """Raise MnistlabError, which names the field, if one is not what it may be."""
    for name in (each.name for each in fields(settings)):
        value, (is_allowed, required) = getattr(settings, name), _RULES[name]
        if not (is_allowed(value) or (value is None and name in OPTIONAL)):
            required += ", or None (in TOML false)" if name in OPTIONAL else ""
            raise MnistlabError(f"{prefix}{name} = {value!r:.60}; required {required}")


PUBLISHED_LAYERS = (
    Layer("Flatten", parameters=0),
    Layer("Dense", 128, "relu", PIXELS * 128 + 128),
    Layer("Dense", CLASSES, "softmax", 128 * CLASSES + CLASSES),
)
STATED = "the recipe's requirement, stated before any measurement"
ACCURACY = Requirement("test accuracy", "result", 0.97, "at least", "fraction", STATED)


@dataclass(frozen=True)
class Spec:
    """What is required of a model. What is None is not checked.

    The defaults are those of the published recipe, but for `refuses_wrong_input`, which a recipe
    of your own promises only if it says so. For a model that is not Keras's, set `layers`,
    `optimizer`, `learning_rate`, `loss` and `metric` to None. A MnistlabError names a field whose
    value is of another type or out of range.

    - `dataset`: the one that the bounds hold for; on another one they do not apply.
    - `layers`: from input to output. `optimizer`, `loss`, `metric`: as Keras names them.
    - `validation_split`: the fraction of the training data, at its end, that is held out.
    - `image_range`: the least and the largest value of a prepared pixel. (0, 1) also promises that
      grey levels are scaled, pixel by pixel.
    - `refuses_wrong_input`: preparation raises an error for arrays that are not as read.
    - `training`: what ``fit`` may do beyond the plain recipe, of "early stopping", "best weights"
      (restored), "augmentation", "schedule" and "warm-up" (of the learning rate), "fixed order" (in
      every epoch), "deterministic" (no random numbers at all). Checks that then cannot tell a
      promise from a fault are not asked.
    - `bounds`: of the result; see `bounds_of`. Other numbers are compared with the accepted state.
    - `gate`: margins of the recipe gate by metric, in its unit, such as ``{"recall of 8": 0.01}``;
      None leaves a metric out. Other metrics have default margins.

    Examples
    --------
    >>> spec = Spec(epochs=10, batch_size=64, bounds=bounds_of({"test accuracy": 0.98}))
    >>> spec.bound("test accuracy").bound
    0.98
    >>> Spec(epochs=0)
    Traceback (most recent call last):
    mnistlab.errors.MnistlabError: spec.epochs = 0; required a whole number from 1
    """

    dataset: str = "mnist"
    layers: tuple[Layer, ...] | None = PUBLISHED_LAYERS
    optimizer: str | None = "adam"
    learning_rate: float | None = 0.001
    loss: str | None = "categorical_crossentropy"
    metric: str | None = "accuracy"
    epochs: int = 5
    batch_size: int = 32
    validation_split: float = 0.2
    image_range: tuple[float, float] | None = (0.0, 1.0)
    refuses_wrong_input: bool = False
    training: tuple[str, ...] = ()
    bounds: tuple[Requirement, ...] = (ACCURACY,)
    gate: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every field."""
        _check_fields(self, "spec.")

    @property
    def parameters(self) -> int | None:
        """Number of parameters of the whole model; None unless every layer states its own."""
        counts = [layer.parameters for layer in self.layers or ()]
        return sum(filter(None, counts)) if counts and None not in counts else None

    def bound(self, name: str) -> Requirement:
        """Return the bound with this name; KeyError if the spec has none."""
        return {bound.name: bound for bound in self.bounds}[name]

    def promised(self, field: str) -> Any:
        """Return a field; NotRequiredError if the spec leaves it open."""
        value = getattr(self, field)
        if not value:
            raise NotRequiredError(f"the spec promises no {field.replace('_', ' ')}")
        return value

    def allows(self, what: str) -> bool:
        """Tell whether the training may do this, one of `TRAINING`."""
        return what in self.training

    def trained_on(self, count: int) -> int:
        """Return how many of `count` images are not held out, rounded as ``Model.fit`` rounds."""
        return math.floor(count * (1 - self.validation_split))

    def total_of(self, count: int) -> int:
        """Return how many images ``fit`` needs so that it trains on `count` of them."""
        return math.ceil(count / (1 - self.validation_split))


PUBLISHED = Spec(refuses_wrong_input=True)
"""The recipe on MNIST."""
_MEASURED = "4.5 sd of the log error below the mean of 96 healthy seeds, 96.88 %"
DIGITS = replace(
    PUBLISHED,
    dataset="digits",
    epochs=40,
    bounds=(replace(ACCURACY, bound=0.945, source=_MEASURED),),
)
"""The recipe on scikit-learn's digits: 30 times fewer images, so 8 times as many epochs."""


def bounds_of(
    numbers: Mapping[str, float], source: str = "stated in the spec"
) -> tuple[Requirement, ...]:
    """Make the bounds of a spec of your own from the bound of each measurement, by its name.

    The name is that on the page of a run, whose check knows on which side of the bound a value
    must lie. Bounds are fractions, not percent; False leaves a measurement without one. `source`
    is shown with the bound: where the numbers come from. Raises MnistlabError if a bound is not a
    number.

    Examples
    --------
    >>> [bound] = bounds_of({"expected calibration error": 0.02})
    >>> bound.bound
    0.02
    """
    for name, number in numbers.items():
        if number is not False and not is_number(number):
            required = "a number, or False (in TOML false) for no bound"
            raise MnistlabError(f"bounds.{name!r} = {number!r:.60}; required {required}")
    return tuple(
        Requirement(name, bound=number, direction=None, source=source)
        for name, number in numbers.items()
        if number is not False
    )
