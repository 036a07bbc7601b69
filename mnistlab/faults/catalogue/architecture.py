"""Faults of the model: its layers, its initial weights, and what it is compiled with."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from mnistlab.faults.catalogue.registry import fault, variants
from mnistlab.recipe import CLASSES, Pipeline

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

Part: TypeAlias = tuple[str, dict[str, Any]]
"""A class of Keras, and what it is configured with."""


class _Built(Pipeline):
    """The published model; each attribute is a part of it that can be another, as Keras names or configures it."""

    units, activation, output = 128, "relu", "softmax"
    before: Sequence[Part] = ()  # the hidden layer
    between: Sequence[Part] = ()  # the two
    biases, frozen, penalty = (True, True), False, None
    initializer: Part = ("GlorotUniform", {})
    optimizer, factor = "Adam", 1.0  # of the spec's learning rate
    settings: Mapping[str, float] = {}
    metric: Part | str = "accuracy"
    loss: Part | str = "categorical_crossentropy"

    def build(self, seed: int) -> Any:
        import keras

        name, options = self.initializer
        first, second = (
            getattr(keras.initializers, name)(**{"seed": int(state), **options})
            for state in np.random.SeedSequence(seed).generate_state(2)
        )
        shared = {"kernel_regularizer": self.penalty}
        dense = keras.layers.Dense
        before, between = (
            [getattr(keras.layers, kind)(**given) for kind, given in more]
            for more in (self.before, self.between)
        )
        hidden = dense(
            self.units, self.activation, kernel_initializer=first, use_bias=self.biases[0], **shared
        )
        hidden.trainable = not self.frozen
        output = dense(
            CLASSES, self.output, kernel_initializer=second, use_bias=self.biases[1], **shared
        )
        model = keras.Sequential(
            [keras.Input((28, 28)), keras.layers.Flatten(), *before, hidden, *between, output]
        )
        rate = {"learning_rate": self.factor * float(self.spec.promised("learning_rate"))}
        optimizer = getattr(keras.optimizers, self.optimizer)(**{**rate, **self.settings})
        loss, metric = self.loss, self.metric
        if not isinstance(loss, str):
            loss = getattr(keras.losses, loss[0])(**loss[1])
        if not isinstance(metric, str):
            metric = getattr(keras.metrics, metric[0])(name="accuracy", **metric[1])
        model.compile(optimizer, loss, metrics=[metric])
        return model


# fmt: off
variants(__name__, _Built, (
    ("127-units", "practice", LAYERS, "Off by one: a count is taken for a last index.", {"units": 127}),
    ("256-units", "practice", LAYERS, "The width of another experiment.", {"units": 256}),
    ("tanh", "ACH mild", LAYERS, "An activation from older code.", {"activation": "tanh"}),
    ("hard-sigmoid", "ACH gross", LAYERS, "An activation that is flat where most inputs are.",
     {"activation": "hard_sigmoid"}),
    ("missing-activation", "ARM gross", LAYERS, "Dense without an activation is linear.", {"activation": "linear"}),
    ("linear-output", "ARM mild", LAYERS, "Logits, as a loss that is told from_logits wants them.",
     {"output": "linear"}),
    ("sigmoid-output", "hunkim/DeepLearningZeroToAll#51", LAYERS, "The output of an example with two classes.",
     {"output": "sigmoid"}),
    ("activation-added", "AAL mild", LAYERS, "An activation behind the pixels.",
     {"before": [("Activation", {"activation": "tanh"})]}),
    ("softmax-added", "AAL gross", LAYERS, "The softmax behind the wrong layer, too.",
     {"before": [("Activation", {"activation": "softmax"})]}),
    ("extra-layer", "philipjball/OffCon3#2", LAYERS, "The cell that adds a layer is run twice.",
     {"between": [("Dense", {"units": 128, "activation": "relu"})]}),
    ("scaled-in-the-model-too", "Priyanshu-byte-coder/devtrack#927", LAYERS,
     "The model scales, and so does the preparation.", {"before": [("Rescaling", {"scale": 1 / 255})]}),
    ("dropout-added", "practice", LAYERS, "A dropout from a larger model.", {"between": [("Dropout", {"rate": 0.5})]}),
    ("no-bias-in-the-output", "WRB mild", PARAMETERS, "The output's bias is left out, as where classes are even.",
     {"biases": (True, False)}),
    ("no-bias", "WRB gross", PARAMETERS, "Biases are switched off, as before a batch normalisation.",
     {"biases": (False, False)}),
    ("frozen-layer", "harvitronix/five-video-classification-methods#26", TRAINED,
     "A layer stays frozen after a transfer.", {"frozen": True}),
    ("weak-regularisation", "RAW mild", PENALTY, "A little L2 is left from an experiment.",
     {"penalty": {"class_name": "L2", "config": {"l2": 1e-5}}}),
    ("strong-regularisation", "RAW gross", PENALTY, "L2 at Keras's default strength, 0.01.", {"penalty": "l2"}),
    ("he-initialisation", "WCI mild", INITIAL, "An initialisation meant for ReLU, in all layers.",
     {"initializer": ("HeUniform", {})}),
    ("huge-initialisation", "WCI gross", INITIAL, "Standard normal, whatever the inputs.",
     {"initializer": ("RandomNormal", {"stddev": 1.0})}),
    ("zero-initialisation", "WCI gross", INITIAL, "All units start the same, and stay so.",
     {"initializer": ("RandomNormal", {"stddev": 0.0})}),
    ("unseeded-initialisation", "shenweichen/DeepCTR#255", SEED, "The seed does not reach the initializers.",
     {"initializer": ("GlorotUniform", {"seed": None})}),
    ("same-seed-always", "zsyOAOA/InvSR#3", SEED, "The seed is a constant somewhere.",
     {"initializer": ("GlorotUniform", {"seed": 42})}),
    ("learning-rate-doubled", "HLR mild", RATE, "A rate that was scaled up for two machines.", {"factor": 2.0}),
    ("learning-rate-halved", "HLR mild", RATE, "A rate out of caution.", {"factor": 0.5}),
    ("learning-rate-tenfold", "HLR gross", RATE, "A zero is missing: 0.01.", {"factor": 10.0}),
    ("rmsprop", "OCH mild", OPTIMIZER, "Keras's default, of a compile without optimizer.", {"optimizer": "RMSprop"}),
    ("sgd", "OCH gross", OPTIMIZER, "Plain descent at Adam's rate.", {"optimizer": "SGD"}),
    ("gradients-clipped", "OCG mild", SETTINGS, "Clipped by norm, as in a recurrent network.",
     {"settings": {"clipnorm": 0.1}}),
    ("gradients-clipped-to-nothing", "OCG gross", SETTINGS, "The exponent of the clipping value is wrong.",
     {"settings": {"clipvalue": 1e-9}}),
    ("weight-decay", "PrimeIntellect-ai/prime-rl#2422", SETTINGS,
     "Decay set on the optimizer, where no look at the layers finds it.", {"settings": {"weight_decay": 0.01}}),
    ("binary-cross-entropy", "LCH mild", LOSS, "Ten yes-or-no questions in place of one of ten.",
     {"loss": "binary_crossentropy"}),
    ("mean-absolute-error", "LCH gross", LOSS, "The loss of a regression.", {"loss": "mean_absolute_error"}),
    ("label-smoothing", "practice", LOSS, "Under the same name, smoothed.",
     {"loss": ("CategoricalCrossentropy", {"label_smoothing": 0.05})}),
    ("loss-of-logits", "nfmcclure/tensorflow_cookbook#86", LOSS, "from_logits, behind a softmax.",
     {"loss": ("CategoricalCrossentropy", {"from_logits": True})}),
    ("binary-accuracy", "frlim/data2040_final#1", METRIC, "Called accuracy, but ignorance scores 90 %.",
     {"metric": ("BinaryAccuracy", {})}),
))
# fmt: on


@fault("schedule-too-short", "NovaSky-AI/SkyRL#873", RATE)
class ScheduleTooShort(Pipeline):
    """A cosine schedule, its steps counted for another batch size, is at 0 long before the end."""

    def build(self, seed: int) -> Any:
        import keras

        model = super().build(seed)
        rate = keras.optimizers.schedules.CosineDecay(self.spec.learning_rate, 3000)
        model.compile(keras.optimizers.Adam(rate), loss=self.spec.loss, metrics=[self.spec.metric])
        return model
