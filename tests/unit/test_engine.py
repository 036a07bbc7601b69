"""What the engine promises, checked against Keras's own ``Model.fit``."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest

from mnistlab import engine

SIDE = 12
BATCH = 32


@pytest.fixture(scope="module")
def keras():
    """Keras, imported when the first test runs and not when they are collected."""
    import keras

    return keras


@pytest.fixture
def double(keras):
    """Double precision while a test runs: rounding can then neither hide a difference nor make one."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def images_and_targets():
    """Learnable, read-only: 352 small images, each class bright in a stripe of its own."""
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 10, 352)
    images = generator.random((352, SIDE, SIDE), dtype=np.float32)
    images[np.arange(352), labels] += 1
    targets = np.eye(10, dtype=np.float32)[labels]
    images.flags.writeable = targets.flags.writeable = False
    return images, targets


@pytest.fixture(scope="module")
def training(images_and_targets):
    """Images and targets of 10 full batches."""
    return tuple(part[: 10 * BATCH] for part in images_and_targets)


@pytest.fixture(scope="module")
def validation(images_and_targets):
    """Images and targets of one batch that is not trained."""
    return tuple(part[10 * BATCH :] for part in images_and_targets)


def orders(count, epochs, seed=3):
    return [engine.epoch_order(seed, epoch, count) for epoch in range(epochs)]


def dense(keras, *extra, units=16, output="softmax", optimizer="adam", loss="categorical_crossentropy", **last):
    """Build a compiled Flatten, Dense, Dense; `extra` layers before the last."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Flatten(),
            layers.Dense(units, "relu"),
            *extra,
            layers.Dense(10, output, **last),
        ]
    )
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def published(keras):
    return dense(keras, units=128)


def functional(keras, optimizer="adam", frozen=False):
    """Build a functional model with a nested one, a branch, an operation, and unnormalised outputs."""
    layers = keras.layers
    inner_input = keras.Input((SIDE * SIDE,))
    inner = keras.Model(inner_input, layers.Dense(16, "relu", trainable=not frozen)(layers.Dense(16)(inner_input)))
    inputs = keras.Input((SIDE, SIDE))
    flat = layers.Flatten()(inputs)
    model = keras.Model(inputs, layers.Dense(10)(layers.add([inner(flat), layers.Dense(16)(flat)]) * 2.0))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def convolutional(keras, *extra, optimizer="adam"):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Reshape((SIDE, SIDE, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            *extra,
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def squared_error(true, predicted):
    return (true - predicted) ** 2


def normalised(keras, optimizer):
    return dense(keras, keras.layers.BatchNormalization(), kernel_regularizer="l2", optimizer=optimizer)


def scheduled(keras):
    return keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=5, decay_rate=0.8)


MODELS = {
    "published": published,
    "convolution, SGD with momentum": lambda k: convolutional(
        k, k.layers.BatchNormalization(), optimizer=k.optimizers.SGD(0.05, momentum=0.9, nesterov=True)
    ),
    "dropout, Lion with a global clipping norm": lambda k: convolutional(
        k, k.layers.Dropout(0.3, seed=5), optimizer=k.optimizers.Lion(global_clipnorm=1.0)
    ),
    "batch normalisation, L2, AdamW with clipping": lambda k: normalised(
        k, k.optimizers.AdamW(weight_decay=0.1, clipnorm=0.5)
    ),
    "nested functional with a frozen layer, RMSprop": lambda k: functional(k, "rmsprop", frozen=True),
    "custom loss, Nadam, schedule": lambda k: dense(k, loss=squared_error, optimizer=k.optimizers.Nadam(scheduled(k))),
    "MSE, Adam with moving average": lambda k: dense(k, loss="mse", optimizer=k.optimizers.Adam(use_ema=True)),
    "SGD with accumulated gradients": lambda k: dense(k, optimizer=k.optimizers.SGD(gradient_accumulation_steps=4)),
}


def build(keras, name, seed=1):
    keras.utils.set_random_seed(seed)
    return MODELS[name](keras)


def fit(model, training, validation, batch_orders):
    """Train with Keras itself, on a ``tf.data`` dataset of the very batches that the engine is to use."""
    import tensorflow as tf

    def batches():
        for order in batch_orders:
            for start in range(0, len(order), BATCH):
                yield tuple(part[order[start : start + BATCH]] for part in training)

    signature = tuple(tf.TensorSpec((None, *part.shape[1:]), tf.float32) for part in training)
    return model.fit(
        tf.data.Dataset.from_generator(batches, output_signature=signature),
        epochs=len(batch_orders),
        steps_per_epoch=-(-len(batch_orders[0]) // BATCH),
        validation_data=validation,
        shuffle=False,
        verbose=0,
    ).history


def assert_close(actual, expected, tolerance):
    """Compare arrays one by one: largest difference, relative to the largest magnitude of the expected array."""
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= tolerance * np.abs(b).max()


def assert_same_bits(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def differs(actual, expected):
    return any(not np.array_equal(a, b) for a, b in zip(actual, expected, strict=True))


def share_a_program(one, other):
    for model in (one, other):
        model.optimizer.build(model.trainable_variables)
    return engine._program(one)[0] is engine._program(other)[0]


def test_200_steps_give_the_weights_and_the_history_of_fit(keras, training, validation):
    by_fit, by_engine = build(keras, "published"), build(keras, "published")
    expected = fit(by_fit, training, validation, orders(320, 20))
    history = engine.train(by_engine, training, validation, orders(320, 20), BATCH)
    assert int(by_engine.optimizer.iterations) == 200
    assert_close(by_engine.get_weights(), by_fit.get_weights(), 1e-5)
    assert {*history} - {"averaged_weights"} == {"loss", "accuracy", "val_loss", "val_accuracy"} == {*expected}
    for key, values in expected.items():
        assert history[key] == pytest.approx(values, abs=1e-4)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", [name for name in MODELS if name != "published"])
def test_any_model_is_trained_as_by_fit_in_double_precision(keras, training, name):
    # In single precision Adam and its like enlarge the rounding of gradients near zero to 1e-3 of a weight.
    count = 200 if "convolution" in name else 192  # with and without a smaller last batch
    some = tuple(part[:count].astype(np.float64) for part in training)
    by_fit, by_engine = build(keras, name), build(keras, name)
    start = by_fit.get_weights()
    assert_same_bits(by_engine.get_weights(), start)
    expected = fit(by_fit, some, None, orders(count, 4))
    history = engine.train(by_engine, some, None, orders(count, 4), BATCH)
    assert differs(by_engine.get_weights(), start)
    assert_close(by_engine.get_weights(), by_fit.get_weights(), 1e-8)
    state = [[np.asarray(v) for v in model.optimizer.variables] for model in (by_engine, by_fit)]
    assert_close(*state, 1e-8)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-8)
    assert history["accuracy"] == pytest.approx(expected["accuracy"], rel=1e-6)


def test_dropout_draws_what_fit_draws_and_goes_on_from_there(keras, training):
    # A plain graph draws from the seed generator's state as fit does; XLA would draw other numbers.
    model = build(keras, "dropout, Lion with a global clipping norm")
    (before,) = (np.asarray(v) for v in model.non_trainable_variables if "seed_generator" in v.path)
    assert not engine._xla_helps(model)
    engine.train(model, training, None, orders(320, 1), BATCH)
    (after,) = (np.asarray(v) for v in model.non_trainable_variables if "seed_generator" in v.path)
    assert (before.tolist(), after.tolist()) == ([5, 0], [5, 10])


def test_validation_of_any_size_is_measured_whole(keras, training, validation, monkeypatch):
    some = tuple(part[:30] for part in validation)
    model, measured = convolutional(keras), []
    for size in (2000, 10, 8):  # at once, in equal parts, with a rest
        monkeypatch.setattr(engine, "EVALUATION_BATCH", size)
        engine._twin.cache_clear()
        history = engine.train(model, training, some, orders(9, 1), BATCH)  # fewer images than a batch
        measured.append(history["val_loss"] + history["val_accuracy"])
        assert measured[-1] == pytest.approx(model.evaluate(*some, verbose=0), rel=1e-5)
    assert int(model.optimizer.iterations) == 3
    assert measured[0] != measured[1]


def test_an_unbuilt_model_is_built_for_any_batch_size(keras, training):
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("sgd", "categorical_crossentropy")
    engine.train(model, training, None, orders(320, 1), BATCH)
    assert model.input_shape == (None, SIDE, SIDE)
    assert model.predict(training[0][:7], verbose=0).shape == (7, 10)


def test_a_second_seed_traces_nothing(keras, training):
    engine._twin.cache_clear()
    for name in ("dropout, Lion with a global clipping norm", "nested functional with a frozen layer, RMSprop"):
        models = [build(keras, name, seed) for seed in (1, 2, 3)]
        assert len({model.layers[1].name for model in models}) == 3
        engine.train(models[0], training, None, orders(320, 2, seed=1), BATCH)
        twin, program = engine._program(models[0])
        assert program.experimental_get_tracing_count() == 1
        for seed, model in enumerate(models[1:], start=2):
            engine.train(model, training, None, orders(320, 2, seed=seed), BATCH)
            assert engine._program(model) == (twin, program)
        assert program.experimental_get_tracing_count() == 1
        assert differs(models[1].get_weights(), models[2].get_weights())


COUNT_COMPILATIONS = """
import pathlib, sys
import numpy as np
import keras
from mnistlab import engine

images, targets = np.zeros((64, 4, 4), np.float32), np.eye(10, dtype=np.float32)[np.arange(64) % 10]
for seed, activation in enumerate(["relu", "relu", "tanh"]):
    model = keras.Sequential([keras.Input((4, 4)), keras.layers.Flatten(), keras.layers.Dense(10, activation)])
    model.compile("sgd", "mse")
    engine.train(model, (images, targets), None, [engine.epoch_order(seed, e, 64) for e in (0, 1)], 32)
    print(len([*pathlib.Path(sys.argv[1]).glob("*epoch*before_optimizations.txt")]))
"""


def test_a_second_seed_compiles_nothing_and_another_activation_does(tmp_path):
    # XLA itself writes a file for every program that it compiles.
    environment = os.environ | {"XLA_FLAGS": f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text"}
    command = [sys.executable, "-c", COUNT_COMPILATIONS, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "2"]


def variants(keras):
    """Return for every name a function that builds a model: all different, all configured by Keras's own parts."""
    layers, optimizers, losses = keras.layers, keras.optimizers, keras.losses

    def changed(change):
        def build():
            model = dense(keras, layers.Dropout(0.1), layers.BatchNormalization())
            change(model)
            return model

        return build

    def optimized(optimizer, **settings):
        return lambda: dense(keras, optimizer=getattr(optimizers, optimizer)(**settings))

    return {
        "dense": lambda: dense(keras),
        "units": lambda: dense(keras, units=17),
        "activation": lambda: dense(keras, output="sigmoid"),
        "bias": lambda: dense(keras, use_bias=False),
        "L1": lambda: dense(keras, kernel_regularizer="l1"),
        "L2": lambda: dense(keras, kernel_regularizer="l2"),
        "L2 of 0.1": lambda: dense(keras, kernel_regularizer=keras.regularizers.L2(0.1)),
        "activity": lambda: dense(keras, activity_regularizer="l2"),
        "constraint": lambda: dense(keras, kernel_constraint="non_neg"),
        "frozen": lambda: dense(keras, trainable=False),
        "dtype": lambda: dense(keras, dtype="float64"),
        "half precision": lambda: dense(keras, dtype="mixed_bfloat16"),
        "more layers": lambda: dense(keras, layers.Dropout(0.1), layers.BatchNormalization()),
        "their order": lambda: dense(keras, layers.BatchNormalization(), layers.Dropout(0.1)),
        "dropout": lambda: dense(keras, layers.Dropout(0.2), layers.BatchNormalization()),
        "momentum": lambda: dense(keras, layers.Dropout(0.1), layers.BatchNormalization(momentum=0.9)),
        "frozen later": changed(lambda model: setattr(model.layers[1], "trainable", False)),
        "rate later": changed(lambda model: setattr(model.layers[2], "rate", 0.3)),
        "activation later": changed(lambda model: setattr(model.layers[1], "activation", keras.activations.tanh)),
        "clipping later": changed(lambda model: setattr(model.optimizer, "clipnorm", 1.0)),
        "optimizer later": changed(lambda model: setattr(model, "optimizer", optimizers.SGD())),
        "loss": lambda: dense(keras, loss="mse"),
        "smoothing": lambda: dense(keras, loss=losses.CategoricalCrossentropy(label_smoothing=0.1)),
        "logits": lambda: dense(keras, loss=losses.CategoricalCrossentropy(from_logits=True)),
        "sum": lambda: dense(keras, loss=losses.CategoricalCrossentropy(reduction="sum")),
        "SGD": optimized("SGD"),
        "SGD with momentum": optimized("SGD", momentum=0.9),
        "Adam's beta": optimized("Adam", beta_2=0.9),
        "Adam's epsilon": optimized("Adam", epsilon=1e-3),
        "AMSGrad": optimized("Adam", amsgrad=True),
        "AdamW": optimized("AdamW"),
        "decay": optimized("AdamW", weight_decay=0.1),
        "value clipping": optimized("Adam", clipvalue=0.1),
        "moving average": optimized("Adam", use_ema=True),
        "accumulation": optimized("Adam", gradient_accumulation_steps=2),
        "loss scale": optimized("Adam", loss_scale_factor=2.0),
        "schedule": lambda: dense(keras, optimizer=optimizers.Adam(scheduled(keras))),
        "functional": lambda: functional(keras),
        "functional, frozen inside": lambda: functional(keras, frozen=True),
        "convolution": lambda: convolutional(keras),
    }


def relu(x):
    """Answer to the name of a Keras activation; an activation that Keras describes by its name alone."""
    return x / 2


def foreign(keras):
    """Return for every name a function that builds a model of which the configuration does not tell all."""
    layers, optimizers, l2 = keras.layers, keras.optimizers, keras.regularizers.L2()

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

    class MeanSquaredError(keras.losses.MeanSquaredError):
        def call(self, true, predicted):
            return 3 * super().call(true, predicted)

    def changed(change, *extra, **settings):
        def build():
            model = dense(keras, *extra, **settings)
            change(model)
            return model

        return build

    def excluding():
        optimizer = optimizers.AdamW()
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return dense(keras, optimizer=optimizer)

    def own_model():
        model = MyModel([keras.Input((SIDE, SIDE)), layers.Flatten(), layers.Dense(10)])
        model.compile("adam", "mse")
        return model

    def tied():
        layer, inputs = layers.Dense(8), keras.Input((8,))
        halves = [keras.Sequential([keras.Input((8,)), layer]), keras.Sequential([keras.Input((8,)), layer])]
        model = keras.Model(inputs, halves[1](halves[0](inputs)))
        model.compile("adam", "mse")
        return model

    def by_output_name():
        model = dense(keras)
        model.compile("adam", {model.layers[-1].name: "mse"})
        return model

    def replaced_loss():
        loss = keras.losses.MeanSquaredError()
        loss.call = squared_error
        return dense(keras, loss=loss)

    return {
        "subclass": lambda: dense(keras, Dense(16)),
        "registered subclass": lambda: dense(keras, Registered(16)),
        "subclass without configuration": lambda: dense(keras, Undescribed(2)),
        "model with a step of its own": own_model,
        "loss of its own": lambda: dense(keras, loss=MeanSquaredError()),
        "loss function": lambda: dense(keras, loss=squared_error),
        "loss with another call": replaced_loss,
        "lambda loss": lambda: dense(keras, loss=lambda true, predicted: (true - predicted) ** 2),
        "lambda activation": lambda: dense(keras, output=lambda x: x / 3),
        "lambda layer": lambda: dense(keras, layers.Lambda(lambda x: x / 3)),
        "activation with a name of Keras's": lambda: dense(keras, output=relu),
        "learning rate function": lambda: dense(keras, optimizer=optimizers.SGD(lambda: 0.1)),
        "call replaced": changed(lambda model: setattr(model.layers[1], "call", relu)),
        "train_step replaced": changed(lambda model: setattr(model, "train_step", model.test_step)),
        "update replaced": changed(lambda model: setattr(model.optimizer, "update_step", lambda *_: None)),
        "wrapped layer's call replaced": changed(
            lambda model: setattr(model.layers[3].layer, "call", relu),
            layers.Reshape((4, 4)),
            layers.TimeDistributed(layers.Dense(4)),
            layers.Flatten(),
        ),
        "regulariser without effect": changed(lambda m: setattr(m.layers[1], "kernel_regularizer", l2)),
        "regulariser of a variable": changed(lambda m: setattr(m.layers[1].kernel, "regularizer", l2)),
        "all frozen": changed(lambda model: setattr(model, "trainable", False)),
        "excluded from decay": excluding,
        "Muon, which reads names": lambda: dense(keras, optimizer=optimizers.Muon()),
        "layer in two models": tied,
        "loss by output name": by_output_name,
        "no casting": lambda: dense(keras, dtype="mixed_bfloat16", autocast=False),
    }


def test_models_that_differ_never_share_a_program_and_equal_ones_do(keras):
    signatures = {}
    for name, make in variants(keras).items():
        one, other = make(), make()
        assert one is not other
        assert share_a_program(one, other), name
        signatures[name] = engine._signature(one)
    assert len(set(signatures.values())) == len(signatures)


def test_models_with_code_that_is_not_kerass_never_share_a_program(keras):
    for name, make in foreign(keras).items():
        model = make()
        model.optimizer.build(model.trainable_variables)
        assert engine._program(model)[0] is model, name


def test_names_that_keras_counts_up_and_seeds_do_not_matter(keras):
    one, other = functional(keras), functional(keras)
    assert [layer.name for layer in one.layers] != [layer.name for layer in other.layers]
    assert share_a_program(one, other)
    seeds = [dense(keras, keras.layers.Dropout(0.1, seed=seed), kernel_initializer="ones") for seed in (1, 2)]
    assert share_a_program(*seeds)
    named = dense(keras, keras.layers.Dense(16, name="accuracy"))  # as the metric
    assert share_a_program(named, dense(keras, keras.layers.Dense(16)))
    assert '"metrics": ["accuracy"]' in engine._signature(named)


def test_training_disturbs_no_global_random_state(keras, training):
    model = dense(keras, keras.layers.BatchNormalization())
    engine._twin.cache_clear()
    before = random.getstate(), np.random.get_state()[1].tolist()
    engine.train(model, training, None, orders(320, 1)[:0], BATCH)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_one_seed_gives_the_same_bits_and_another_order_does_not(keras, training, validation):
    weights = []
    for seed in (3, 3, 4):
        model = build(keras, "published")
        engine.train(model, training, validation, orders(320, 2, seed), BATCH)
        weights.append(model.get_weights())
    assert_same_bits(weights[1], weights[0])
    assert differs(weights[2], weights[0])


def test_validation_images_do_not_influence_the_weights(keras, training, validation):
    models = [build(keras, "published") for _ in range(3)]
    inverted = (1 - validation[0], validation[1][::-1])
    histories = [
        engine.train(model, training, held_out, orders(320, 2), BATCH)
        for model, held_out in zip(models, (validation, inverted, None), strict=True)
    ]
    assert histories[0]["val_loss"] != histories[1]["val_loss"]
    assert {*histories[2]} == {"loss", "accuracy", "averaged_weights"}
    assert histories[0]["loss"] == histories[1]["loss"] == pytest.approx(histories[2]["loss"], rel=1e-6)
    assert_same_bits(models[1].get_weights(), models[0].get_weights())
    assert_close(models[2].get_weights(), models[0].get_weights(), 1e-6)  # another program, without validation


def test_images_targets_and_orders_are_not_changed(keras, training, validation):
    arrays = [np.array(part) for part in (*training, *validation)]
    given = orders(320, 1)
    engine.train(build(keras, "published"), tuple(arrays[:2]), tuple(arrays[2:]), given, BATCH)
    assert_same_bits(arrays, [*training, *validation])
    assert_same_bits(given, orders(320, 1))


def test_only_the_images_in_the_order_are_trained_and_each_of_them(keras, training):
    order = orders(320, 1)[0]
    models = [build(keras, "published") for _ in range(2)]
    shuffled = tuple(part[order] for part in training)
    for model, data, used in zip(models, (training, shuffled), (order, np.arange(320, dtype=np.int32)), strict=True):
        engine.train(model, data, None, [used], BATCH)
    assert_same_bits(models[0].get_weights(), models[1].get_weights())
    for image in (0, 319):
        images = np.array(training[0])
        images[order[image]] += 1
        changed = build(keras, "published")
        engine.train(changed, (images, training[1]), None, [order], BATCH)
        assert differs(changed.get_weights(), models[0].get_weights())


def test_every_epoch_visits_every_image_once_in_an_order_of_its_own():
    seen = [engine.epoch_order(seed, epoch, 1000) for seed in range(5) for epoch in range(5)]
    for order in seen:
        assert order.dtype == np.int32
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert len({order.tobytes() for order in seen}) == 25
    np.testing.assert_array_equal(engine.epoch_order(2, 3, 1000), seen[13])


def test_the_order_of_a_seed_is_forever():
    # Another order would silently invalidate every result that was ever accepted. Do not change these numbers.
    assert engine.epoch_order(0, 0, 48000)[:8].tolist() == [36576, 22587, 3925, 43724, 23591, 35843, 10065, 34447]
    assert engine.epoch_order(7, 4, 48000)[:8].tolist() == [2101, 8978, 21808, 40940, 38111, 3960, 9326, 8960]


def test_training_goes_on_from_the_state_of_the_optimizer(keras, training):
    once, twice = build(keras, "published"), build(keras, "published")
    together = engine.train(once, training, None, orders(320, 2), BATCH)
    apart = [engine.train(twice, training, None, [order], BATCH) for order in orders(320, 2)]
    assert int(twice.optimizer.iterations) == int(once.optimizer.iterations) == 20
    assert together["loss"] == [history["loss"][0] for history in apart]
    assert_same_bits(twice.get_weights(), once.get_weights())
    assert_same_bits(apart[1]["averaged_weights"], together["averaged_weights"])
    assert_same_bits(*[[np.asarray(v) for v in model.optimizer.variables] for model in (twice, once)])


def test_another_model_of_the_architecture_leaves_a_trained_one_alone(keras, training):
    first, second = build(keras, "published", 1), build(keras, "published", 2)
    averaged = engine.train(first, training, None, orders(320, 1), BATCH)["averaged_weights"]
    kept = [np.array(array) for array in (*first.get_weights(), *averaged)]
    engine.train(second, training, None, orders(320, 1), BATCH)
    assert_same_bits([*first.get_weights(), *averaged], kept)
    assert int(first.optimizer.iterations) == 10


def test_a_trained_model_is_saved_and_goes_on_with_fit(keras, training, tmp_path):
    by_fit, by_engine = build(keras, "published"), build(keras, "published")
    fit(by_fit, training, None, orders(320, 2))
    engine.train(by_engine, training, None, orders(320, 1), BATCH)
    by_engine.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_same_bits(loaded.get_weights(), by_engine.get_weights())
    for model in (by_engine, loaded):
        fit(model, training, None, orders(320, 2)[1:])
        assert_close(model.get_weights(), by_fit.get_weights(), 1e-5)
    engine.train(by_engine, training, None, orders(320, 1), BATCH)
    assert int(by_engine.optimizer.iterations) == 30


@pytest.mark.usefixtures("double")
def test_steps_by_hand_give_the_averaged_weights_the_weights_and_the_loss(keras, images_and_targets):
    some = tuple(part[: 14 * 8 + 4].astype(np.float64) for part in images_and_targets)  # twice 7 batches, and a rest
    name = "batch normalisation, L2, AdamW with clipping"
    slow, quick = build(keras, name), build(keras, name)
    given = orders(len(some[0]), 2)
    for order in given:
        sampled, losses = [], []
        for step, start in enumerate(range(0, len(order), 8), start=1):
            batch = (part[order[start : start + 8]] for part in some)
            losses.append(float(slow.train_on_batch(*batch, return_dict=True)["loss"]))
            if step in (7, 14, 15):
                sampled.append(slow.get_weights())
    history = engine.train(quick, some, None, given, 8)
    expected = [np.mean(arrays, axis=0) for arrays in zip(*sampled, strict=True)]
    assert engine._xla_helps(quick)
    assert differs(expected, slow.get_weights())
    assert_close(history["averaged_weights"], expected, 1e-8)
    assert_close(quick.get_weights(), slow.get_weights(), 1e-8)
    assert history["loss"][-1] == pytest.approx(np.average(losses, weights=[8] * 14 + [4]), rel=1e-6)
