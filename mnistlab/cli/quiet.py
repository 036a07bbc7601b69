"""Import Keras without the lines that TensorFlow writes while it is loaded."""

import os
import sys


def import_keras() -> None:
    """Import Keras, with stderr silenced for C++ code; Python errors are raised."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
