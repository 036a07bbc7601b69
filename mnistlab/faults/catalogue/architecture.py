"""Faults of the model: its layers, its initial weights, and what it is compiled with."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE
from mnistlab.faults.catalogue.registry import variant
from mnistlab.recipe import Pipeline

LAYERS = "test_layers_are_the_specified_ones"
PARAMETERS = "test_parameters_are_where_they_belong"
TRAINED = "test_all_parameters_are_trained"
INITIAL = "test_initial_weights_spread_as_they_should[1]"
SEED = "test_one_seed_gives_the_same_weights_and_two_give_others"
OPTIMIZER = "test_model_is_compiled_as_specified[optimizer]"
RATE = "test_model_is_compiled_as_specified[learning rate]"
METRIC = "test_accuracy_is_the_share_of_images_read_right"
SETTINGS = "test_optimizer_has_no_other_settings"
LOSS = "test_loss_is_the_specified_one"
PENALTY = "test_loss_has_no_other_terms"

Part: TypeAlias = tuple[str, Mapping[str, Any]]
"""A class of Keras and its arguments."""


class _ModelInParts(Pipeline):
    """The published model, whose parts are attributes that a fault can override."""

    units, activation, output = 128, "relu", "softmax"
    before_hidden: Sequence[Part] = ()
    before_output: Sequence[Part] = ()
    biases = (True, True)  # of the hidden and of the output layer
    frozen = False  # the hidden layer
    penalty: Any = None  # on both kernels
    initializer: Part = ("GlorotUniform", {})
    optimizer = "Adam"
    rate = staticmethod(float)  # makes a learning rate or a schedule of the promised rate
    settings: Mapping[str, float] = {}
    loss: Part | str = "categorical_crossentropy"
    metric: Part | str = "accuracy"

    def build(self, seed: int) -> Any:
        import keras

        make = keras.layers
        more = [_instance(make, part) for part in self.before_hidden]
        last = [_instance(make, part) for part in self.before_output]
        name, options = self.initializer
        first, second = (
            _instance(keras.initializers, (name, {"seed": int(state), **options}))
            for state in np.random.SeedSequence(seed).generate_state(2)
        )
        dense = partial(make.Dense, kernel_regularizer=self.penalty)
        hidden = dense(self.units, self.activation, self.biases[0], first)
        hidden.trainable = not self.frozen
        output = dense(CLASSES, self.output, self.biases[1], second)
        layers = [keras.Input(IMAGE_SHAPE), make.Flatten(), *more, hidden, *last, output]
        model = keras.Sequential(layers)
        rate = self.rate(self.spec.promised("learning_rate"))
        optimizer = (self.optimizer, {"learning_rate": rate, **self.settings})
        model.compile(
            _instance(keras.optimizers, optimizer),
            _instance(keras.losses, self.loss),
            metrics=[_instance(keras.metrics, self.metric)],
        )
        return model


def _instance(module: Any, part: Part | str) -> Any:
    """Make an object of a Keras module; a string is a name that Keras resolves itself."""
    return part if isinstance(part, str) else getattr(module, part[0])(**part[1])


def _cosine_schedule(rate: float) -> Any:
    import keras

    return keras.optimizers.schedules.CosineDecay(rate, 3000)


# fmt: off
add = partial(variant, __name__, _ModelInParts)
add("127-units", "practice", LAYERS, "Off by one: the last index is used as the count.",
    units=127)
add("256-units", "practice", LAYERS, "The width comes from another experiment.", units=256)
add("tanh", "ACH mild", LAYERS, "The activation comes from older code.", activation="tanh")
add("hard-sigmoid", "ACH gross", LAYERS, "The activation is flat for most inputs.",
    activation="hard_sigmoid")
add("missing-activation", "ARM gross", LAYERS, "Dense without an activation is linear.",
    activation="linear")
add("linear-output", "ARM mild", LAYERS,
    "The model outputs logits, although its loss expects probabilities.", output="linear")
add("sigmoid-output", "hunkim/DeepLearningZeroToAll#51", LAYERS,
    "The output layer comes from an example with two classes.", output="sigmoid")
add("activation-added", "AAL mild", LAYERS, "An activation is applied to the pixels.",
    before_hidden=[("Activation", {"activation": "tanh"})])
add("softmax-added", "AAL gross", LAYERS, "A second softmax is applied to the pixels.",
    before_hidden=[("Activation", {"activation": "softmax"})])
add("extra-layer", "philipjball/OffCon3#2", LAYERS,
    "The notebook cell that adds a layer is run twice.",
    before_output=[("Dense", {"units": 128, "activation": "relu"})])
add("scaled-in-the-model-too", "Priyanshu-byte-coder/devtrack#927", LAYERS,
    "Model and preparation both scale.", before_hidden=[("Rescaling", {"scale": 1 / 255})])
add("dropout-added", "practice", LAYERS, "A dropout layer comes from a larger model.",
    before_output=[("Dropout", {"rate": 0.5})])
add("no-bias-in-the-output", "WRB mild", PARAMETERS,
    "The output has no bias, as if all classes were equally frequent.", biases=(True, False))
add("no-bias", "WRB gross", PARAMETERS,
    "No layer has a bias, as if a batch normalisation followed.", biases=(False, False))
add("frozen-layer", "harvitronix/five-video-classification-methods#26", TRAINED,
    "A layer stays frozen after transfer learning.", frozen=True)
add("weak-regularisation", "RAW mild", PENALTY, "A weak L2 penalty is left from an experiment.",
    penalty={"class_name": "L2", "config": {"l2": 1e-5}})
add("strong-regularisation", "RAW gross", PENALTY,
    "An L2 penalty has Keras's default strength, 0.01.", penalty="l2")
add("he-initialisation", "WCI mild", INITIAL,
    "An initialisation meant for ReLU is used in all layers.", initializer=("HeUniform", {}))
add("huge-initialisation", "WCI gross", INITIAL, "All weights start standard normal.",
    initializer=("RandomNormal", {"stddev": 1.0}))
add("zero-initialisation", "WCI gross", INITIAL, "All units start and stay the same.",
    initializer=("RandomNormal", {"stddev": 0.0}))
add("unseeded-initialisation", "shenweichen/DeepCTR#255", SEED,
    "No seed reaches the initializers.", initializer=("GlorotUniform", {"seed": None}))
add("same-seed-always", "zsyOAOA/InvSR#3", SEED, "The initializers use a constant seed.",
    initializer=("GlorotUniform", {"seed": 42}))
add("learning-rate-doubled", "HLR mild", RATE,
    "The learning rate was scaled up for two machines.", rate=lambda rate: 2 * rate)
add("learning-rate-halved", "HLR mild", RATE, "The learning rate was lowered as a precaution.",
    rate=lambda rate: rate / 2)
add("learning-rate-tenfold", "HLR gross", RATE, "A zero is missing: the learning rate is 0.01.",
    rate=lambda rate: 10 * rate)
add("schedule-too-short", "NovaSky-AI/SkyRL#873", RATE,
    "A cosine schedule, made for another batch size, reaches 0 long before training ends.",
    rate=_cosine_schedule)
add("rmsprop", "OCH mild", OPTIMIZER, "compile gets no optimizer, so Keras uses its default.",
    optimizer="RMSprop")
add("sgd", "OCH gross", OPTIMIZER, "Plain gradient descent runs at the learning rate of Adam.",
    optimizer="SGD")
add("gradients-clipped", "OCG mild", SETTINGS,
    "Gradients are clipped by norm, as for a recurrent network.", settings={"clipnorm": 0.1})
add("gradients-clipped-to-nothing", "OCG gross", SETTINGS,
    "Gradients are clipped to 1e-9: the exponent is mistyped.", settings={"clipvalue": 1e-9})
add("weight-decay", "PrimeIntellect-ai/prime-rl#2422", SETTINGS,
    "Decay is set in the optimizer, not in the layers.", settings={"weight_decay": 0.01})
add("binary-cross-entropy", "LCH mild", LOSS, "The loss asks ten yes-or-no questions.",
    loss="binary_crossentropy")
add("mean-absolute-error", "LCH gross", LOSS, "The loss is meant for regression.",
    loss="mean_absolute_error")
add("label-smoothing", "practice", LOSS, "The loss has the right name but smooths the labels.",
    loss=("CategoricalCrossentropy", {"label_smoothing": 0.05}))
add("loss-of-logits", "nfmcclure/tensorflow_cookbook#86", LOSS,
    "The loss expects logits, although the model outputs probabilities.",
    loss=("CategoricalCrossentropy", {"from_logits": True}))
add("binary-accuracy", "frlim/data2040_final#1", METRIC,
    "The metric counts each class of an image: an untrained model scores 90 %.",
    metric=("BinaryAccuracy", {"name": "accuracy"}))
# fmt: on
