"""Let keras.datasets download MNIST without letting it near a cached file."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mnistlab.errors import MnistlabError

# Keras runs in a process of its own: there its cache can be pointed elsewhere and its time bounded. It asks
# the server first, since without network that spares the seconds that importing Keras takes.
KERAS_DOWNLOAD = """
import contextlib, socket, urllib.error, urllib.request
socket.setdefaulttimeout(10)
with contextlib.suppress(urllib.error.HTTPError):
    urllib.request.urlopen("https://storage.googleapis.com/")
from keras.datasets import mnist
mnist.load_data()
"""


@contextlib.contextmanager
def downloaded(
    cache: Path, command: Sequence[str], environ: Mapping[str, str], seconds: float
) -> Iterator[Path]:
    """Give a freshly downloaded ``mnist.npz``, which is gone afterwards unless it is linked elsewhere.

    Parameters
    ----------
    cache : path
        Where Keras would keep the file. Never written to; the download goes to a folder beside it, so that one link
        puts the whole, verified file there and nobody ever sees half of it.
    command : sequence of str
        What downloads; it finds ``KERAS_HOME`` in its environment.
    environ : mapping
        The rest of that environment.
    seconds : float
        After so long the command is stopped.

    Raises
    ------
    MnistlabError
        If there is a cached file, or the download fails or takes too long.
    """
    if os.path.lexists(
        cache
    ):  # Keras would delete a file that it does not like; that is for its owner to do.
        raise MnistlabError(
            "not tried, as it would replace the cached file; delete that and run again"
        )
    print(
        f"mnistlab: downloading MNIST (11 MB) with keras.datasets, at most {seconds:g} s",
        file=sys.stderr,
    )
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent, prefix="mnistlab-") as home:
            keras_environ = {**environ, "KERAS_HOME": home}
            subprocess.run(
                command,
                cwd=home,
                env=keras_environ,
                timeout=seconds,
                check=True,
                capture_output=True,
            )
            yield Path(home, "datasets", "mnist.npz")
    except subprocess.TimeoutExpired as error:
        raise MnistlabError(f"not done after {seconds:g} s") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip() or str(error)
        raise MnistlabError(reason.splitlines()[-1]) from error
    except OSError as error:
        raise MnistlabError(
            f"{error}; set KERAS_HOME to a folder that can be written to"
        ) from error
