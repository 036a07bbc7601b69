"""Public MNIST programs of other people, restated as adapters, and what the suite says of them.

    python benchmarks/programs.py > benchmarks/programs.md
    python benchmarks/programs.py --accept 16     # healthy ones against their own accepted state

Each class is one program, restated in other words with its settings, but fewer epochs or units
where it is slow. Its docstring says what is wrong with it. A program that seeds is seeded by the
seed that it is given. PyTorch, JAX and flax must be importable for theirs.
"""

import argparse
import dataclasses
import functools
import itertools
import os
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import strangers
from strangers_base import DATASET, EPOCHS, promise, softmax, test_set

from mnistlab import Layer, Pipeline
from mnistlab.arrays import Floats

LEAK = r"\bleak|test (set|images|labels)"
ORDER = r"order|shuffl|replay"
Subject = TypeVar("Subject", bound=type)
OPEN: dict[str, Any] = {
    "layers": None,
    "optimizer": None,
    "learning_rate": None,
    "loss": None,
    "metric": None,
}
promises = functools.partial(promise, bounds=())
FIXED = {"training": ("fixed order",)}  # a seeded Model.fit on arrays replays one order


@dataclasses.dataclass(frozen=True)
class Program:
    """Where a program comes from, and how a good message would name its bug."""

    framework: str
    source: str
    cause: str  # a pattern, written before any run; empty for a healthy program


def program(framework: str, source: str, cause: str = "") -> Callable[[Subject], Subject]:
    """Enter a pipeline class in the table."""

    def enter(subject: Subject) -> Subject:
        subject.program = Program(framework, source, cause)  # type: ignore[attr-defined]
        subject.name = subject.__name__.lower()  # type: ignore[attr-defined]
        return subject

    return enter


def epochs_of(published: int) -> int:
    """Return a program's epochs on MNIST; on the digits, which are 40 times fewer, some more."""
    return published if DATASET == "mnist" else min(4 * published, EPOCHS)


def measured(predict: Callable[[Any], Floats], parts: dict[str, Any]) -> dict[str, float]:
    """Return loss and accuracy of each part, named by its prefix."""
    figures = {}
    for prefix, (images, labels) in parts.items():
        rows = predict(images)
        figures[f"{prefix}loss"] = float(-np.log(np.maximum((rows * labels).sum(1), 1e-7)).mean())
        figures[f"{prefix}accuracy"] = float((rows.argmax(1) == labels.argmax(1)).mean())
    return figures


class Loop(Pipeline):
    """A program with a loop of its own over epochs and batches; one step is left to subclasses."""

    held_out = True
    shuffles = True
    whole_batches = False

    def seeded(self, seed: int) -> None:
        """Seed the framework."""

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> dict[str, list[float]]:
        """Train, and measure after every epoch."""
        count, size = self.spec.trained_on(len(images)), self.spec.batch_size
        parts = {"": (images[:count], labels[:count])}
        if count < len(images):
            parts["val_"] = images[count:], labels[count:]
        rng = np.random.default_rng(seed)
        history: dict[str, list[float]] = {}
        self.seeded(seed)
        self.prepare_training(model)
        for _ in range(self.spec.epochs if epochs is None else epochs):
            order = rng.permutation(count) if self.shuffles else np.arange(count)
            stop = count // size * size if self.whole_batches and count >= size else count
            for start in range(0, stop, size):
                batch = order[start : min(start + size, stop)]
                self.step(model, images[batch], labels[batch])
            self.epoch_ends(model)
            for key, value in measured(lambda x: self.predict(model, x), parts).items():
                history.setdefault(key, []).append(value)
        return history

    def prepare_training(self, model: Any) -> None:
        """Make an optimizer."""

    def epoch_ends(self, model: Any) -> None:
        """Do something after an epoch."""

    def step(self, model: Any, images: Floats, labels: Floats) -> None:
        """Take one step."""
        raise NotImplementedError


# Keras


class KerasProgram(Pipeline):
    """A program with keras.utils.set_random_seed and Model.fit on arrays."""

    def layers(self) -> list[Any]:
        """Return the layers after the input."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Return the arguments of compile."""
        loss = "categorical_crossentropy"
        return {"optimizer": "adam", "loss": loss, "metrics": ["accuracy"]}

    def options(self, images: Floats, labels: Floats) -> dict[str, Any]:
        """Return the arguments of fit that a program has of its own."""
        return {"validation_split": self.spec.validation_split}

    def build(self, seed: int) -> Any:
        """Build and compile."""
        import keras

        keras.utils.set_random_seed(seed % 2**32)
        model = keras.Sequential([keras.Input((28, 28)), *self.layers()])
        model.compile(**self.settings())
        return model

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> dict[str, list[float]]:
        """Train by Model.fit."""
        import keras

        keras.utils.set_random_seed(seed % 2**32)
        history: dict[str, list[float]] = model.fit(
            images,
            labels,
            batch_size=self.spec.batch_size,
            epochs=self.spec.epochs if epochs is None else epochs,
            verbose=0,
            **self.options(images, labels),
        ).history
        return history


@program("Keras", "tensorflow/docs quickstart/beginner")
class TensorFlowQuickstart(KerasProgram):
    """Healthy: logits with their loss, dropout, nothing held out."""

    spec = promises(
        layers=tuple(map(Layer, ("Flatten", "Dense", "Dropout", "Dense"))),
        loss=None,
        epochs=epochs_of(5),
        validation_split=0.0,
        **FIXED,
    )

    def layers(self) -> list[Any]:
        from keras.layers import Dense, Dropout, Flatten

        return [Flatten(), Dense(128, "relu"), Dropout(0.2), Dense(10)]

    def settings(self) -> dict[str, Any]:
        import keras

        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        return {"optimizer": "adam", "loss": loss, "metrics": ["accuracy"]}

    def predict(self, model: Any, images: Floats) -> Floats:
        return softmax(super().predict(model, images))


@program("Keras", "keras-team/keras examples/mnist_mlp (keras-team/keras#1753)", LEAK)
class KerasMnistMlp(KerasProgram):
    """Bug: the test set is the validation set."""

    spec = promises(
        layers=tuple(map(Layer, ("Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense"))),
        optimizer="rmsprop",
        epochs=epochs_of(20),
        batch_size=128,
        validation_split=0.0,
        **FIXED,
    )

    def layers(self) -> list[Any]:
        from keras.layers import Dense, Dropout, Flatten

        hidden = [Dense(512, "relu"), Dropout(0.2), Dense(512, "relu"), Dropout(0.2)]
        return [Flatten(), *hidden, Dense(10, "softmax")]

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "optimizer": "rmsprop"}

    def options(self, images: Floats, labels: Floats) -> dict[str, Any]:
        return {"validation_data": test_set(self)}


@program("Keras", "fchollet/deep-learning-with-python-notebooks, 2.1", ORDER)
class FirstNetworkOfTheBook(KerasProgram):
    """Bug, once it is seeded: Model.fit shows the images in one order in every epoch."""

    spec = promises(
        layers=tuple(map(Layer, ("Flatten", "Dense", "Dense"))),
        optimizer="rmsprop",
        epochs=epochs_of(5),
        batch_size=128,
        validation_split=0.0,
    )

    def layers(self) -> list[Any]:
        from keras.layers import Dense, Flatten

        return [Flatten(), Dense(512, "relu"), Dense(10, "softmax")]

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "optimizer": "rmsprop"}


@program("Keras", "keras-team/keras-io vision/mnist_convnet")
class KerasConvnet(KerasProgram):
    """Healthy: convolutions, dropout, the last tenth held out."""

    spec = promises(layers=None, epochs=epochs_of(3), batch_size=128, validation_split=0.1, **FIXED)

    def layers(self) -> list[Any]:
        from keras import layers as of

        first = [of.Reshape((28, 28, 1)), of.Conv2D(32, 3, activation="relu"), of.MaxPooling2D()]
        second = [of.Conv2D(64, 3, activation="relu"), of.MaxPooling2D(), of.Flatten()]
        return [*first, *second, of.Dropout(0.5), of.Dense(10, "softmax")]


@program("Keras", "tensorflow/datasets docs/keras_example", LEAK)
class TfdsPipeline(KerasProgram):
    """Bug: the test set is the validation set. A tf.data pipeline shuffles properly."""

    spec = promises(
        layers=tuple(map(Layer, ("Flatten", "Dense", "Dense"))),
        epochs=epochs_of(6),
        batch_size=128,
        validation_split=0.0,
    )

    def layers(self) -> list[Any]:
        from keras.layers import Dense, Flatten

        return [Flatten(), Dense(128, "relu"), Dense(10, "softmax")]

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> dict[str, list[float]]:
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((images, labels)).cache()
        data = data.shuffle(len(images), seed=seed).batch(self.spec.batch_size)
        history: dict[str, list[float]] = model.fit(
            data,
            epochs=self.spec.epochs if epochs is None else epochs,
            validation_data=test_set(self),
            verbose=0,
        ).history
        return history


# PyTorch


class TorchProgram(Loop):
    """A program with a module, an optimizer, and a loss of logits."""

    def module(self) -> Any:
        """Return the untrained module."""
        raise NotImplementedError

    def optimizer(self, weights: Any) -> Any:
        """Return the optimizer."""
        import torch

        return torch.optim.Adam(weights, lr=0.001)

    def loss(self, outputs: Any, digits: Any) -> Any:
        """Return the mean loss."""
        import torch

        return torch.nn.functional.cross_entropy(outputs, digits)

    def build(self, seed: int) -> Any:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        return self.module()

    def seeded(self, seed: int) -> None:
        import torch

        torch.manual_seed(seed)

    def prepare_training(self, model: Any) -> None:
        self.steps = self.optimizer(model.parameters())

    def step(self, model: Any, images: Floats, labels: Floats) -> None:
        import torch

        model.train()
        self.steps.zero_grad()
        digits = torch.from_numpy(labels.argmax(1))
        self.loss(model(torch.from_numpy(np.ascontiguousarray(images))), digits).backward()
        self.steps.step()

    def predict(self, model: Any, images: Floats) -> Floats:
        import torch

        model.eval()
        with torch.no_grad():
            outputs = model(torch.from_numpy(np.array(images)))
        return softmax(outputs.numpy())


@program("PyTorch", "pytorch/examples mnist")
class TorchExample(TorchProgram):
    """Healthy: convolutions, standardised images, Adadelta with a falling rate, log-softmax."""

    spec = promises(
        **OPEN,
        image_range=(-0.43, 2.83),
        refuses_wrong_input=False,
        training=("schedule",),
        epochs=epochs_of(1),
        batch_size=64,
        validation_split=0.0,
    )

    def prepare_images(self, images: Any) -> Floats:
        return (np.asarray(images, dtype=np.float32) / 255 - np.float32(0.1307)) / 0.3081

    def module(self) -> Any:
        from torch import nn

        first = [nn.Unflatten(1, (1, 28)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3)]
        second = [nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(), nn.Linear(2304, 64)]
        last = [nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10), nn.LogSoftmax(1)]
        return nn.Sequential(*first, *second, *last)

    def prepare_training(self, model: Any) -> None:
        import torch

        self.steps = torch.optim.Adadelta(model.parameters(), lr=1.0)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.steps, 1, gamma=0.7)

    def epoch_ends(self, model: Any) -> None:
        self.schedule.step()


def dense(*sizes: int, activation: str = "ReLU") -> Any:
    """Return a stack of dense layers in PyTorch."""
    from torch import nn

    layers: list[Any] = [nn.Flatten()]
    for rows, columns in itertools.pairwise(sizes):
        layers += [nn.Linear(rows, columns), getattr(nn, activation)()]
    return nn.Sequential(*layers[:-1])


@program("PyTorch", "pytorch/tutorials basics/quickstart, of 2021", r"relu|activation|order|shuffl")
class TorchQuickstart(TorchProgram):
    """Bugs: the data loader does not shuffle, and a ReLU follows the logits."""

    spec = promises(**OPEN, epochs=epochs_of(5), batch_size=64, validation_split=0.0)
    shuffles = False

    def module(self) -> Any:
        from torch import nn

        return nn.Sequential(dense(784, 512, 512, 10), nn.ReLU())

    def optimizer(self, weights: Any) -> Any:
        import torch

        return torch.optim.SGD(weights, lr=0.001)


@program("PyTorch", "pytorch/tutorials nn_tutorial")
class TorchNnTutorial(TorchProgram):
    """Healthy: softmax regression with momentum, a held-out part."""

    spec = promises(**OPEN, epochs=epochs_of(2), batch_size=64)

    def module(self) -> Any:
        return dense(784, 10)

    def optimizer(self, weights: Any) -> Any:
        import torch

        return torch.optim.SGD(weights, lr=0.1, momentum=0.9)


@program("PyTorch", "yunjey/pytorch-tutorial feedforward_neural_network")
class TorchFeedForward(TorchProgram):
    """Healthy: 500 hidden units, Adam, nothing held out."""

    spec = promises(**OPEN, epochs=epochs_of(5), batch_size=100, validation_split=0.0)

    def module(self) -> Any:
        return dense(784, 500, 10)


@program(
    "PyTorch", "vinhkhuc/PyTorch-Mini-Tutorials 3_neural_net (#1)", r"softmax|logits|order|shuffl"
)
class TorchMiniTutorial(TorchProgram):
    """Bugs: a softmax before the loss that has one, no shuffling, only whole batches."""

    spec = promises(**OPEN, epochs=epochs_of(10), batch_size=100, validation_split=0.0)
    shuffles = False
    whole_batches = True

    def module(self) -> Any:
        from torch import nn

        layers = [nn.Linear(784, 512, bias=False), nn.Sigmoid(), nn.Linear(512, 10, bias=False)]
        return nn.Sequential(nn.Flatten(), *layers, nn.Softmax(1))

    def optimizer(self, weights: Any) -> Any:
        import torch

        return torch.optim.SGD(weights, lr=0.01, momentum=0.9)

    def predict(self, model: Any, images: Floats) -> Floats:
        import torch

        with torch.no_grad():
            rows: Floats = model(torch.from_numpy(np.array(images))).numpy()
        return rows


@program(
    "PyTorch",
    "d2l-ai/d2l-en dropout from scratch (#1093)",
    r"dropout|random|same images|again|repeat",
)
class DropoutFromScratch(TorchProgram):
    """Bug: a flag of the module's own keeps dropout on in evaluation."""

    spec = promises(**OPEN, epochs=epochs_of(10), batch_size=256, validation_split=0.0)

    def module(self) -> Any:
        import torch

        class Net(torch.nn.Module):
            is_training = True

            def __init__(self) -> None:
                super().__init__()
                self.layers = torch.nn.ModuleList(
                    torch.nn.Linear(*sizes) for sizes in ((784, 256), (256, 256), (256, 10))
                )

            def forward(self, images: Any) -> Any:
                rows = images.flatten(1)
                for layer, rate in zip(self.layers, (0.2, 0.5), strict=False):
                    rows = torch.relu(layer(rows))
                    if self.is_training:
                        rows = rows * (torch.rand(rows.shape) > rate) / (1 - rate)
                return self.layers[2](rows)

        return Net()

    def optimizer(self, weights: Any) -> Any:
        import torch

        return torch.optim.SGD(weights, lr=0.5)


@program("PyTorch", "Lightning-AI/tutorials mnist-hello-world")
class LightningHello(TorchProgram):
    """Healthy: two layers of 64 units with dropout, standardised images, a held-out part."""

    spec = promises(
        **OPEN,
        image_range=(-0.43, 2.83),
        refuses_wrong_input=False,
        epochs=epochs_of(3),
        batch_size=64,
        validation_split=1 / 12,
    )
    prepare_images = TorchExample.prepare_images

    def module(self) -> Any:
        from torch import nn

        hidden = [nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU()]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Dropout(0.1), nn.Linear(64, 10))


# scikit-learn


class SklearnProgram(Pipeline):
    """A program with one estimator, fitted at once to all images; there is no history."""

    spec = promises(**OPEN, epochs=1, validation_split=0.0)

    def estimator(self, seed: int) -> Any:
        """Return the unfitted estimator."""
        raise NotImplementedError

    def build(self, seed: int) -> Any:
        return self.estimator(seed % 2**32)

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> dict[str, list[float]]:
        model.fit(images.reshape(len(images), -1), labels.argmax(1))
        return {}

    def predict(self, model: Any, images: Floats) -> Floats:
        rows = np.zeros((len(images), 10), dtype=np.float32)
        rows[:, model.classes_] = model.predict_proba(images.reshape(len(images), -1))
        return rows


@program("scikit-learn", "scikit-learn examples plot_mnist_filters")
class SklearnFilters(SklearnProgram):
    """Healthy: a small network for a few iterations of gradient descent."""

    def estimator(self, seed: int) -> Any:
        from sklearn.neural_network import MLPClassifier

        settings = {"alpha": 1e-4, "solver": "sgd", "learning_rate_init": 0.2}
        return MLPClassifier((40,), max_iter=epochs_of(8), random_state=seed, **settings)


@program("scikit-learn", "scikit-learn examples plot_sparse_logistic_regression_mnist")
class SklearnSparse(SklearnProgram):
    """Healthy: a scaler and a sparse softmax regression."""

    def estimator(self, seed: int) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        settings = {"solver": "saga", "tol": 0.1, "l1_ratio": 1, "C": 0.01}
        regression = LogisticRegression(random_state=seed, **settings)
        return make_pipeline(StandardScaler(), regression)


@program("scikit-learn", "ageron/handson-ml, chapter 3: random forest")
class GeronForest(SklearnProgram):
    """Healthy: a random forest."""

    def estimator(self, seed: int) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(100, random_state=seed)


@program("scikit-learn", "ageron/handson-ml, chapter 3: exercise 1")
class GeronNeighbours(SklearnProgram):
    """Healthy: four nearest neighbours, weighted by distance. No seed changes anything."""

    spec = promises(**OPEN, epochs=1, validation_split=0.0, training=("deterministic",))

    def estimator(self, seed: int) -> Any:
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(4, weights="distance")


# NumPy


@program("NumPy", "mnielsen/neural-networks-and-deep-learning network.py")
class NielsenNetwork(Loop):
    """Healthy: sigmoid units, quadratic cost, plain gradient descent."""

    spec = promises(**OPEN, epochs=epochs_of(5), batch_size=10)

    def build(self, seed: int) -> Any:
        rng = np.random.default_rng(seed)
        weights = [rng.standard_normal((784, 30)) / 28, rng.standard_normal((30, 10))]
        return {"weights": weights, "biases": [rng.standard_normal(30), rng.standard_normal(10)]}

    def activations(self, model: Any, images: Floats) -> list[Any]:
        layers: list[Any] = [images.reshape(len(images), -1).astype(np.float64)]
        for weights, biases in zip(model["weights"], model["biases"], strict=True):
            layers.append(1 / (1 + np.exp(-(layers[-1] @ weights + biases))))
        return layers

    def step(self, model: Any, images: Floats, labels: Floats) -> None:
        pixels, hidden, output = self.activations(model, images)
        errors = (output - labels) * output * (1 - output)
        below = (errors @ model["weights"][1].T) * hidden * (1 - hidden)
        for i, (inputs, error) in enumerate(((pixels, below), (hidden, errors))):
            model["weights"][i] -= 3 / len(images) * inputs.T @ error
            model["biases"][i] -= 3 / len(images) * error.sum(0)

    def predict(self, model: Any, images: Floats) -> Floats:
        output = self.activations(model, images)[-1]
        return np.asarray(output / output.sum(1, keepdims=True), dtype=np.float32)


@program(
    "NumPy", "oreilly-japan/deep-learning-from-scratch ch05", r"once|replace|every .*image|seen"
)
class FromScratch(NielsenNetwork):
    """Bug: batches are drawn at random from all images, so that an epoch misses a third."""

    spec = promises(**OPEN, epochs=epochs_of(5), batch_size=100, validation_split=0.0)

    def build(self, seed: int) -> Any:
        rng = np.random.default_rng(seed)
        weights = [0.01 * rng.standard_normal(shape) for shape in ((784, 50), (50, 10))]
        return {"weights": weights, "biases": [np.zeros(50), np.zeros(10)]}

    def fit(
        self, model: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
    ) -> dict[str, list[float]]:
        rng = np.random.default_rng(seed)
        epochs = self.spec.epochs if epochs is None else epochs
        history: dict[str, list[float]] = {"loss": [], "accuracy": []}
        for _ in range(epochs):
            for _ in range(-(-len(images) // self.spec.batch_size)):
                batch = rng.choice(len(images), self.spec.batch_size)
                self.step(model, images[batch], labels[batch])
            whole = {"": (images, labels)}
            for key, value in measured(lambda x: self.predict(model, x), whole).items():
                history[key].append(value)
        return history

    def activations(self, model: Any, images: Floats) -> list[Any]:
        pixels = images.reshape(len(images), -1).astype(np.float64)
        (w1, w2), (b1, b2) = model["weights"], model["biases"]
        hidden = np.maximum(pixels @ w1 + b1, 0)
        return [pixels, hidden, softmax(hidden @ w2 + b2)]

    def step(self, model: Any, images: Floats, labels: Floats) -> None:
        pixels, hidden, output = self.activations(model, images)
        errors = (output - labels) / len(images)
        below = (errors @ model["weights"][1].T) * (hidden > 0)
        for i, (inputs, error) in enumerate(((pixels, below), (hidden, errors))):
            model["weights"][i] -= 0.1 * inputs.T @ error
            model["biases"][i] -= 0.1 * error.sum(0)


# JAX


@program("JAX", "jax-ml/jax examples/mnist_classifier_fromscratch")
class JaxFromScratch(Loop):
    """Healthy: a dense network in plain JAX, gradient descent at a constant, here higher rate."""

    spec = promises(**OPEN, epochs=epochs_of(5), batch_size=128, validation_split=0.0)

    def build(self, seed: int) -> Any:
        rng = np.random.default_rng(seed)
        sizes = (784, 256, 256, 10)
        return [
            [
                np.float32(0.1 * rng.standard_normal((m, n))),
                np.float32(0.1 * rng.standard_normal(n)),
            ]
            for m, n in itertools.pairwise(sizes)
        ]

    def outputs(self, model: Any, images: Any) -> Any:
        import jax.numpy as jnp

        rows = images.reshape(len(images), -1)
        for weights, biases in model[:-1]:
            rows = jnp.tanh(rows @ weights + biases)
        return rows @ model[-1][0] + model[-1][1]

    def loss(self, weights: Any, images: Any, labels: Any) -> Any:
        """Return the mean cross-entropy."""
        import jax

        return -(jax.nn.log_softmax(self.outputs(weights, images)) * labels).sum(1).mean()

    def prepare_training(self, model: Any) -> None:
        import jax

        self.gradient = jax.jit(jax.grad(self.loss))

    def step(self, model: Any, images: Floats, labels: Floats) -> None:
        gradients = self.gradient(model, images, labels)
        for layer, parts in zip(model, gradients, strict=True):
            layer[:] = [np.asarray(w - 0.1 * g) for w, g in zip(layer, parts, strict=True)]

    def predict(self, model: Any, images: Floats) -> Floats:
        return softmax(np.asarray(self.outputs(model, images)))


@program("flax", "google/flax examples/mnist", r"last batch|once|every .*image|seen|whole batches")
class FlaxExample(JaxFromScratch):
    """Bug, a mild one: only whole batches are trained on, and the rest of an epoch is dropped."""

    whole_batches = True

    def network(self) -> Any:
        """Return the module, whose convolutions are restated as dense layers for speed."""
        from flax import linen

        hidden = [linen.Dense(256), linen.relu]
        return linen.Sequential([lambda x: x.reshape(len(x), -1), *hidden, linen.Dense(10)])

    def build(self, seed: int) -> Any:
        import jax

        start = np.zeros((1, 28, 28), np.float32)
        return {"weights": self.network().init(jax.random.key(seed), start), "momentum": None}

    def outputs(self, model: Any, images: Any) -> Any:
        return self.network().apply(model.get("weights", model), images)

    def step(self, model: Any, images: Floats, labels: Floats) -> None:
        import jax

        gradients = self.gradient(model["weights"], images, labels)
        before = model["momentum"] or jax.tree.map(np.zeros_like, gradients)
        model["momentum"] = jax.tree.map(lambda m, g: 0.9 * m + g, before, gradients)
        pair = model["weights"], model["momentum"]
        model["weights"] = jax.tree.map(lambda w, m: w - 0.1 * m, *pair)


def main() -> None:
    """Judge the programs and print the table, as Markdown."""
    parser = argparse.ArgumentParser(description="Judge public MNIST programs.")
    strangers.add_options(parser)
    options = parser.parse_args()
    os.environ |= {"STRANGERS_DATASET": options.dataset, "OPENBLAS_NUM_THREADS": "1"}
    table = strangers.table_of("programs", "program")
    entries = {name: table[name].program for name in options.names or table}
    if options.accept:  # a state of a program with a bug is nothing to compare with
        entries = {name: entry for name, entry in entries.items() if not entry.cause}
    references = {name: f"{os.path.abspath(__file__)}:{name}" for name in entries}
    strangers.print_table(
        ("program", "framework", "source", "bug", "verdict", "named by", "first message")
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        own = {"baselines": folder, "strict": True} if options.accept else {}
        to_accept = references.values() if options.accept else ()
        trouble = strangers.accept(to_accept, options.dataset, folder, options.accept)
        tasks = ((reference, options.dataset, own) for reference in references.values())
        results = iter(()) if options.list else strangers.judge_all(tasks)
        for name, entry in entries.items():
            result = next(results, strangers.Judgement("", (), ()))
            rows.append((entry, result))
            bug = table[name].__doc__.partition(":")[2].strip() if entry.cause else "healthy"
            messages = trouble.get(references[name]), *result.messages, "-"
            first = strangers.cell(next(filter(None, messages)))
            place = result.named_by(entry.cause)
            cells = name, entry.framework, entry.source, bug, result.verdict, place, first
            print(f"| {' | '.join(cells)} |", flush=True)
    healthy = [result.verdict for entry, result in rows if not entry.cause]
    verdicts = ", ".join(f"{healthy.count(v)} {v}" for v in sorted(set(healthy)))
    print(f"\nHealthy: {len(healthy)} programs, {verdicts}  ")
    print(strangers.count([row for row in rows if row[0].cause], "With a bug"))


if __name__ == "__main__":
    main()
