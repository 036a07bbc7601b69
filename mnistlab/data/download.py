"""Download MNIST with keras.datasets, without risk to a cached file."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mnistlab.errors import MnistlabError

# Keras runs in a process of its own, where its cache can be redirected and its time limited.
# Importing Keras takes seconds, so the script first checks that the server can be reached.
KERAS_DOWNLOAD = """
import contextlib, socket, urllib.error, urllib.request
socket.setdefaulttimeout(10)
with contextlib.suppress(urllib.error.HTTPError):
    urllib.request.urlopen("https://storage.googleapis.com/")
from keras.datasets import mnist
mnist.load_data()
"""


@contextlib.contextmanager
def temporary_download(
    cache: Path, command: Sequence[str], environ: Mapping[str, str], seconds: float
) -> Iterator[Path]:
    """Download ``mnist.npz`` to a temporary file, deleted on exit unless linked elsewhere.

    Parameters
    ----------
    cache : path
        Where Keras would keep the file. Never written to. The download goes to a folder next to
        it, so that one link puts the verified file there and nobody sees half a file.
    command : sequence of str
        Downloads into ``KERAS_HOME``, which is added to its environment, `environ`.
    seconds : float
        Time limit of the command.

    Raises
    ------
    MnistlabError
        If there is a cached file, or the download fails or takes too long.
    """
    if os.path.lexists(cache):  # Keras deletes a file whose hash is wrong; only its owner may.
        raise MnistlabError(
            "not tried, because it would replace the cached file; delete that and run again"
        )
    notice = f"downloading MNIST (11 MB) with keras.datasets, at most {seconds:g} s"
    print(f"mnistlab: {notice}", file=sys.stderr)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent, prefix="mnistlab-") as home:
            env = {**environ, "KERAS_HOME": home}
            subprocess.run(
                command, cwd=home, env=env, timeout=seconds, check=True, capture_output=True
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
