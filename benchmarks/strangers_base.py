"""What the strangers are made of: their entry in the table, the steps of a fit, a NumPy network."""

import dataclasses
import itertools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from mnistlab import Pipeline, Spec, bounds_of, load_dataset
from mnistlab.arrays import CLASSES, Floats
from mnistlab.recipe import History, epoch_order, train

DATASET = os.environ.get("STRANGERS_DATASET", "digits")
"""The dataset that the strangers' own specs are about; the runner sets it for its workers."""
EPOCHS = {"digits": 40, "mnist": 5}[DATASET]
Subject = TypeVar("Subject", bound=type)
Pair = tuple[Floats, Floats]


@dataclasses.dataclass(frozen=True)
class Stranger:
    """A program that nobody tuned the suite for; its class's docstring tells the defect."""

    part: str  # "first" or "second" count, or "healthy"
    area: str  # the part of the program that the defect is in
    seen: str  # where it was seen: a public thread, or a benchmark and its item
    cause: str  # a pattern that a message names the cause by, written before any run


def stranger(part: str, area: str, seen: str = "", cause: str = "") -> Callable[[Subject], Subject]:
    """Enter a pipeline class in the table."""

    def enter(subject: Subject) -> Subject:
        subject.stranger = Stranger(part, area, seen, cause)  # type: ignore[attr-defined]
        return subject

    return enter


def promise(**fields: Any) -> Spec:
    """Make a spec for the dataset at hand. What today's `Spec` cannot promise is left out."""
    known = {field.name for field in dataclasses.fields(Spec)}
    stated = {"dataset": DATASET, "epochs": EPOCHS, "bounds": bounds_of({"test accuracy": 0.93})}
    return Spec(**{name: value for name, value in {**stated, **fields}.items() if name in known})


def test_set(pipeline: Any) -> Pair:
    """Return the prepared test images and labels, which no training should see."""
    dataset = load_dataset(DATASET)
    images = pipeline.prepare_images(dataset.test_images)
    return images, np.eye(CLASSES, dtype=np.float32)[dataset.test_labels]


class Recipe(Pipeline):
    """The published recipe. Its ``fit`` is divided into steps, of which a defect replaces one."""

    def network(self, seed: int, **options: Any) -> list[Any]:
        """Return the published layers; the options are those of both dense layers."""
        import keras
        from keras.layers import Dense, Flatten

        seeds = (int(state) for state in np.random.SeedSequence(seed).generate_state(2))
        first, last = ({"kernel_initializer": keras.initializers.GlorotUniform(s)} for s in seeds)
        hidden = Dense(128, activation="relu", **{**first, **options})
        output = Dense(CLASSES, activation="softmax", **{**last, **options})
        return [keras.Input((28, 28)), Flatten(), hidden, output]

    def compiled(self, layers: list[Any], **settings: Any) -> Any:
        """Return a model of these layers, compiled as published but for the settings."""
        import keras

        model = keras.Sequential(layers)
        published = {"optimizer": keras.optimizers.Adam(0.001), "loss": "categorical_crossentropy"}
        model.compile(metrics=["accuracy"], **{**published, **settings})
        return model

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        """Return the training part and the held-out part."""
        count = self.spec.trained_on(len(images))
        return (images[:count], labels[:count]), (images[count:], labels[count:])

    def changed(self, images: Floats, labels: Floats, rng: np.random.Generator) -> Pair:
        """Change the training part."""
        return images, labels

    def order(self, seed: int, epoch: int, count: int) -> Any:
        """Return the order of the training images in an epoch."""
        return epoch_order(seed, epoch, count)

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        """Train a model."""
        return train(model, training, held_out, orders, self.spec.batch_size)

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> History:
        """Train in the steps above."""
        training, held_out = self.split(images, labels, seed)
        training = self.changed(*training, np.random.default_rng([seed, 1]))
        epochs = self.spec.epochs if epochs is None else epochs
        orders = [self.order(seed, epoch, len(training[0])) for epoch in range(epochs)]
        return self.run(model, training, held_out, orders)


class EpochByEpoch(Recipe):
    """The published recipe, which does something of its own before and after every epoch."""

    def before(self, model: Any, epoch: int) -> None:
        """Do something before an epoch."""

    def after(self, model: Any, history: History, epoch: int) -> bool:
        """Tell after an epoch whether training goes on."""
        return True

    def end(self, model: Any) -> None:
        """Do something after the last epoch."""

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        """Train epoch by epoch."""
        history: History = {}
        for epoch, order in enumerate(orders):
            self.before(model, epoch)
            part = super().run(model, training, held_out, [order])
            part.pop("averaged_weights")
            for key, values in part.items():
                history.setdefault(key, []).extend(values)
            if not self.after(model, history, epoch):
                break
        self.end(model)
        return history


class KeepsBest(EpochByEpoch):
    """The published recipe, which gives back the weights of its best epoch."""

    def score(self, model: Any, history: History) -> float:
        """Rate the model after an epoch; the highest rate is kept."""
        return -float(history["val_loss"][-1])

    def before(self, model: Any, epoch: int) -> None:
        """Forget the training before."""
        if epoch == 0:
            self.best: tuple[float, Any] = (-np.inf, None)

    def after(self, model: Any, history: History, epoch: int) -> bool:
        """Remember the best weights."""
        score = self.score(model, history)
        if score > self.best[0]:
            self.best = score, model.get_weights()
        return True

    def end(self, model: Any) -> None:
        """Restore them."""
        model.set_weights(self.best[1])


class Network:
    """A network of 128 hidden units in NumPy with Adam, used like a PyTorch module."""

    def __init__(self, rng: np.random.Generator) -> None:
        sizes = (784, 128, CLASSES)
        self.training = True
        self.weights = [np.zeros(0, np.float32)] * 4
        for i, (rows, columns) in enumerate(itertools.pairwise(sizes)):
            bound = np.sqrt(6 / (rows + columns))
            self.weights[2 * i] = rng.uniform(-bound, bound, (rows, columns)).astype(np.float32)
            self.weights[2 * i + 1] = np.zeros(columns, np.float32)
        self.zero_grad()
        self.moments = [[np.zeros_like(weight) for weight in self.weights] for _ in range(2)]
        self.steps = 0

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.gradients = [np.zeros_like(weight) for weight in self.weights]

    def __call__(self, images: Floats) -> Floats:
        """Return logits."""
        w1, b1, w2, b2 = self.weights
        self.flat = images.reshape(len(images), -1)
        self.hidden = np.maximum(self.flat @ w1 + b1, 0)
        logits: Floats = self.hidden @ w2 + b2
        return logits

    def backward(self, errors: Floats) -> None:
        """Add the gradients of the last call, given those of its logits."""
        below = (errors @ self.weights[2].T) * (self.hidden > 0)
        parts = self.flat.T @ below, below.sum(0), self.hidden.T @ errors, errors.sum(0)
        for gradient, part in zip(self.gradients, parts, strict=True):
            gradient += part

    def step(self, rate: float) -> None:
        """Take a step of Adam."""
        self.steps += 1
        for weight, gradient, mean, square in zip(
            self.weights, self.gradients, *self.moments, strict=True
        ):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            corrected = np.sqrt(square / (1 - 0.999**self.steps)) + 1e-7
            weight -= np.float32(rate / (1 - 0.9**self.steps)) * mean / corrected


def softmax(logits: Floats) -> Floats:
    """Return probabilities in float32."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), dtype=np.float32)


class Bare(Pipeline):
    """A program without Keras. It promises nothing of layers, loss and optimizer."""

    name = "bare"
    spec = promise(
        layers=None,
        optimizer=None,
        learning_rate=None,
        loss=None,
        metric=None,
        epochs=min(EPOCHS, 15),
    )
    rate = 0.001

    def rng(self, seed: int) -> np.random.Generator:
        """Return the random numbers of the weights."""
        return np.random.default_rng([seed, 77])

    def build(self, seed: int) -> Any:
        """Return the untrained network."""
        return Network(self.rng(seed))

    def split(self, images: Floats, labels: Floats, seed: int) -> tuple[Pair, Pair]:
        """Return the training part and the held-out part."""
        count = self.spec.trained_on(len(images))
        return (images[:count], labels[:count]), (images[count:], labels[count:])

    def order(self, seed: int, epoch: int, count: int) -> Any:
        """Return the order of the training images in an epoch."""
        return epoch_order(seed, epoch, count)

    def errors(self, logits: Floats, labels: Floats) -> Floats:
        """Return the gradient of the mean cross-entropy with respect to the logits."""
        return (softmax(logits) - labels) / np.float32(len(labels))

    def train_step(self, model: Network, images: Floats, labels: Floats) -> None:
        """Take one step."""
        model.zero_grad()
        model.backward(self.errors(model(images), labels))
        model.step(self.rate)

    def after(self, model: Network, epoch: int, last: int) -> None:
        """Do something after an epoch."""

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> History:
        """Train as a loop of PyTorch does, and measure after every epoch."""
        training, held_out = self.split(images, labels, seed)
        epochs = self.spec.epochs if epochs is None else epochs
        history: History = {}
        for epoch in range(epochs):
            order = self.order(seed, epoch, len(training[0]))
            for start in range(0, len(order), self.spec.batch_size):
                batch = order[start : start + self.spec.batch_size]
                self.train_step(model, training[0][batch], training[1][batch])
            for prefix, (inputs, targets) in (("", training), ("val_", held_out)):
                rows = self.predict(model, inputs)
                true = np.maximum((rows * targets).sum(1), 1e-7)
                right = rows.argmax(1) == targets.argmax(1)
                history.setdefault(f"{prefix}loss", []).append(float(-np.log(true).mean()))
                history.setdefault(f"{prefix}accuracy", []).append(float(right.mean()))
            self.after(model, epoch, epochs - 1)
        return history

    def predict(self, model: Any, images: Floats) -> Floats:
        """Return probabilities."""
        return softmax(model(images))
