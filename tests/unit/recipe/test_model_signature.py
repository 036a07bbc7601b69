"""Models of one signature are trained by one program: those that are the same, and no others."""

import pytest

from mnistlab.recipe import training as engine
from mnistlab.recipe.model_signature import signature_of


@pytest.fixture(scope="module")
def keras():
    """Keras, imported when the first test runs and not when they are collected."""
    import keras

    return keras


def program_of(model):
    """Return the model on which a model's program is compiled: itself, or one for all equals."""
    model.optimizer.build(model.trainable_variables)
    return engine._program(model, xla=False)[0]


def dense(keras, *extra, optimizer="sgd", loss="categorical_crossentropy", **settings):
    """Build a compiled model with a layer of 4 units behind `extra` layers."""
    settings = {"units": 4, "activation": "relu"} | settings
    model = keras.Sequential([keras.Input((4,)), *extra, keras.layers.Dense(**settings)])
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def functional(keras, trainable=True):
    """Build a functional model with a nested one, a branch and an operation."""
    layers = keras.layers
    inner_input, inputs = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(inner_input, layers.Dense(4, trainable=trainable)(inner_input))
    model = keras.Model(
        inputs, layers.Dense(4)(layers.add([inner(inputs), layers.Dense(4)(inputs)]) * 2.0)
    )
    model.compile("sgd", "mse")
    return model


def variants(keras):
    """Return models by name: all different, all configured by Keras's own parts."""
    layers, optimizers, losses = keras.layers, keras.optimizers, keras.losses
    schedule = optimizers.schedules.ExponentialDecay(0.01, decay_steps=5, decay_rate=0.8)
    models = {
        "dense": dense(keras),
        "units": dense(keras, units=5),
        "activation": dense(keras, activation="tanh"),
        "L1": dense(keras, kernel_regularizer="l1"),
        "L2": dense(keras, kernel_regularizer="l2"),
        "L2 of 0.1": dense(keras, kernel_regularizer=keras.regularizers.L2(0.1)),
        "constraint": dense(keras, kernel_constraint="non_neg"),
        "dtype": dense(keras, dtype="float64"),
        "half precision": dense(keras, dtype="mixed_bfloat16"),
        "two layers": dense(keras, layers.Dense(4)),
        "first frozen": dense(keras, layers.Dense(4, trainable=False)),
        "last frozen later": dense(keras, layers.Dense(4)),
        "more layers": dense(keras, layers.Dropout(0.1), layers.BatchNormalization()),
        "their order": dense(keras, layers.BatchNormalization(), layers.Dropout(0.1)),
        "rate later": dense(keras, layers.Dropout(0.1), layers.BatchNormalization()),
        "activation later": dense(keras),
        "clipping later": dense(keras),
        "optimizer later": dense(keras),
        "loss": dense(keras, loss="mse"),
        "smoothing": dense(keras, loss=losses.CategoricalCrossentropy(label_smoothing=0.1)),
        "momentum": dense(keras, optimizer=optimizers.SGD(momentum=0.9)),
        "Adam": dense(keras, optimizer="adam"),
        "AdamW": dense(keras, optimizer="adamw"),
        "Adam's epsilon": dense(keras, optimizer=optimizers.Adam(epsilon=1e-3)),
        "moving average": dense(keras, optimizer=optimizers.SGD(use_ema=True)),
        "accumulation": dense(keras, optimizer=optimizers.SGD(gradient_accumulation_steps=2)),
        "schedule": dense(keras, optimizer=optimizers.SGD(schedule)),
        "functional": functional(keras),
        "functional, frozen inside": functional(keras, trainable=False),
    }
    models["last frozen later"].layers[1].trainable = False
    models["rate later"].layers[0].rate = 0.3
    models["activation later"].layers[0].activation = keras.activations.sigmoid
    models["clipping later"].optimizer.clipnorm = 1.0
    models["optimizer later"].optimizer = optimizers.RMSprop()
    return models


def relu(x):
    """Share the name of a Keras activation, which Keras describes by its name alone."""
    return x / 2


def squared_error(true, predicted):
    return (true - predicted) ** 2


def foreign(keras):
    """Return models by name, of none of which the configuration tells all."""
    layers, losses, optimizers, l2 = (
        keras.layers,
        keras.losses,
        keras.optimizers,
        keras.regularizers.L2(),
    )

    class Dense(layers.Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    @keras.saving.register_keras_serializable("mine")
    class Registered(Dense):
        pass

    class Undescribed(layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

    class MyModel(keras.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    class MeanSquaredError(losses.MeanSquaredError):
        def call(self, true, predicted):
            return 3 * super().call(true, predicted)

    tied, inputs = layers.Dense(4), keras.Input((4,))
    halves = [keras.Sequential([keras.Input((4,)), tied]) for _ in range(2)]
    wrapper = layers.TimeDistributed(layers.Dense(2))
    models = {
        "subclass": dense(keras, Dense(4)),
        "registered subclass": dense(keras, Registered(4)),
        "subclass without configuration": dense(keras, Undescribed(2)),
        "model with a step of its own": MyModel([keras.Input((4,)), layers.Dense(4)]),
        "loss of its own": dense(keras, loss=MeanSquaredError()),
        "loss function": dense(keras, loss=squared_error),
        "loss with another call": dense(keras, loss=losses.MeanSquaredError()),
        "lambda loss": dense(keras, loss=lambda true, predicted: (true - predicted) ** 2),
        "lambda activation": dense(keras, activation=lambda x: x / 3),
        "lambda layer": dense(keras, layers.Lambda(lambda x: x / 3)),
        "activation with a name of Keras's": dense(keras, activation=relu),
        "learning rate function": dense(keras, optimizer=optimizers.SGD(lambda: 0.1)),
        "call replaced": dense(keras),
        "train_step replaced": dense(keras),
        "update replaced": dense(keras),
        "wrapped layer's call replaced": dense(
            keras, layers.Reshape((2, 2)), wrapper, layers.Flatten()
        ),
        "regulariser without effect": dense(keras),
        "regulariser of a variable": dense(keras),
        "all frozen": dense(keras),
        "excluded from decay": dense(keras, optimizer="adamw"),
        "Muon, which reads names": dense(keras, optimizer=optimizers.Muon()),
        "layer in two models": keras.Model(inputs, halves[1](halves[0](inputs))),
        "loss by output name": dense(keras),
        "no casting": dense(keras, dtype="mixed_bfloat16", autocast=False),
        "loss scaled, of no rate of its own": dense(
            keras, optimizer=optimizers.LossScaleOptimizer(optimizers.SGD())
        ),
    }
    for name in ("model with a step of its own", "layer in two models"):
        models[name].compile("sgd", "mse")
    models["loss by output name"].compile(
        "sgd", {models["loss by output name"].layers[-1].name: "mse"}
    )
    models["loss with another call"].loss.call = squared_error
    models["call replaced"].layers[0].call = relu
    models["train_step replaced"].train_step = models["train_step replaced"].test_step
    models["update replaced"].optimizer.update_step = lambda *_: None
    wrapper.layer.call = relu
    models["regulariser without effect"].layers[0].kernel_regularizer = l2
    models["regulariser of a variable"].layers[0].kernel.regularizer = l2
    models["all frozen"].trainable = False
    models["excluded from decay"].optimizer.exclude_from_weight_decay(var_names=["bias"])
    return models


def test_models_that_differ_never_share_a_program_and_equal_ones_do(keras):
    signatures = {}
    for name, model in variants(keras).items():
        control = program_of(model)
        assert control is not model, name
        assert signature_of(control) == signature_of(model), name
        signatures[name] = signature_of(model)
    assert len(set(signatures.values())) == len(signatures)


def test_models_with_code_that_is_not_kerass_never_share_a_program(keras):
    for name, model in foreign(keras).items():
        assert program_of(model) is model, name


def test_names_that_keras_counts_up_seeds_and_learning_rates_do_not_matter(keras):
    one, other = functional(keras), functional(keras)
    assert [layer.name for layer in one.layers] != [layer.name for layer in other.layers]
    assert program_of(one) is program_of(other)
    seeds = [
        dense(keras, keras.layers.Dropout(0.1, seed=seed), kernel_initializer="ones")
        for seed in (1, 2)
    ]
    assert program_of(seeds[0]) is program_of(seeds[1])
    initializers = [
        dense(keras, kernel_initializer=initializer) for initializer in ("ones", "glorot_uniform")
    ]
    assert program_of(initializers[0]) is program_of(initializers[1])
    rates = [dense(keras, optimizer=keras.optimizers.Adam(rate)) for rate in (0.1, 0.2)]
    assert program_of(rates[0]) is program_of(rates[1])
    named = dense(keras, keras.layers.Dense(4, name="accuracy"))  # as the metric
    assert program_of(named) is program_of(dense(keras, keras.layers.Dense(4)))
    assert '"metrics": ["accuracy"]' in signature_of(named)
