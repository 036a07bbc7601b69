"""A model from a file, of whose training nothing is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest


class Unknown(dict[str, Any]):
    """What a file cannot tell of its training: whatever asks for it is not judged."""

    def __missing__(self, key: object) -> NoReturn:
        """Skip the test that asks."""
        pytest.skip("--model judges a file, which does not tell how it was trained")

    def __iter__(self) -> NoReturn:
        """Skip the test that asks."""
        self.__missing__(None)


def load_model(path: str) -> Any:
    """Load the ``.keras`` file that ``--model`` names."""
    if not Path(path).is_file():
        pytest.exit(f"--model {path}: there is no such file", returncode=1)
    import keras

    try:
        return keras.models.load_model(path)
    except (OSError, ValueError, TypeError) as error:
        pytest.exit(f"--model {path}: not a model that Keras can load ({str(error).splitlines()[0]})", returncode=1)
