"""Keep trials of one process apart: forget earlier pipelines, notice what a pipeline changes."""

import os
import random
import sys
from typing import Any

import numpy as np

CATALOGUE_MODULE = "mnistlab.faults.catalogue"


def reset_process() -> None:
    """Forget what earlier pipelines left: classes, global seeds and Keras's name counters."""
    import keras
    import tensorflow as tf

    forget_catalogue()
    keras.utils.clear_session()
    tf.random.set_seed(None)
    random.seed()
    np.random.seed()


def forget_catalogue() -> None:
    """Make the next trial import the catalogue anew, without what its classes cached."""
    for name in list(sys.modules):
        if f"{name}.".startswith(f"{CATALOGUE_MODULE}."):
            del sys.modules[name]


def peak_gigabytes() -> float:
    """Return the most memory that this process has used."""
    import resource  # not on Windows, where no campaign runs

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def process_state() -> dict[str, Any]:
    """Return what a pipeline could change for later trials: settings and mnistlab's own code."""
    import keras
    import tensorflow as tf

    state: dict[str, Any] = {
        "Keras's floatx": keras.config.floatx(),
        "Keras's epsilon": keras.config.epsilon(),
        "Keras's dtype policy": keras.config.dtype_policy().name,
        "eager execution": tf.config.functions_run_eagerly(),
        "working directory": os.getcwd(),
        "NumPy's error handling": np.geterr(),
    }
    for name, value in os.environ.items():
        if not name.startswith("PYTEST_"):
            state[f"environment variable {name}"] = value
    for name, module in list(sys.modules.items()):
        if name.startswith("mnistlab.") and not name.startswith(CATALOGUE_MODULE):
            classes = [value for value in vars(module).values() if isinstance(value, type)]
            holders: list[Any] = [module, *classes]
            for holder in holders:
                for key, value in vars(holder).items():
                    state[f"{name}: {holder.__name__}.{key}"] = id(value)
    # Every trial imports the catalogue anew, which is no side effect.
    state.pop(f"mnistlab.faults: {CATALOGUE_MODULE}", None)
    return state
