"""Find, verify and read a dataset: the real MNIST, or scikit-learn's bundled digits."""

import contextlib
import dataclasses
import functools
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mnistlab.arrays import Bytes
from mnistlab.data.download import KERAS_DOWNLOAD, temporary_download
from mnistlab.data.idx import content_sha256
from mnistlab.data.mnist_files import read_verified
from mnistlab.errors import MnistlabError

MNIST_SHA256 = (  # of the four uncompressed IDX files as published, in the order of IDX_NAMES
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images of handwritten digits with their labels, in a training and a test set.

    Attributes
    ----------
    name, source : str
        ``"mnist"`` or ``"digits"``; where it came from, for people.
    sha256 : str
        SHA-256 of the joined `content_sha256` of the four arrays, in the order below.
    train_images, train_labels, test_images, test_labels : numpy.ndarray of uint8
        Images (N, 28, 28), 0 to 255, white on black; labels (N,), 0 to 9. Read-only.
    note : str
        Why this is not MNIST, if MNIST was preferred; else empty.
    """

    name: str
    source: str
    sha256: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    note: str = ""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as name, path and hash; each process that unpickles it reads the data once."""
        path = os.path.abspath(os.path.expanduser(self.source))
        return _load_same, (self.name, path, self.sha256, self.note)


def _roots() -> Sequence[Path]:
    here, clone = Path.cwd(), Path(__file__).resolve().parents[2]
    return (here, clone) if clone != here and (clone / "pyproject.toml").is_file() else (here,)


@dataclass(frozen=True)
class SearchSettings:
    """Where to look for MNIST and what to accept as MNIST; only tests change the defaults."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """Only ``MNISTLAB_DATA`` and ``KERAS_HOME`` matter."""
    roots: Sequence[Path] = field(default_factory=_roots)
    """MNIST may be in data/mnist of a root, or in shared/mnist of its parent."""
    sha256: Sequence[str] = MNIST_SHA256
    download: Sequence[str] = (sys.executable, "-c", KERAS_DOWNLOAD)
    """A command that writes datasets/mnist.npz in ``KERAS_HOME``, and its time limit below."""
    download_seconds: float = 60


def load_dataset(
    name: str = "auto",
    path: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    search: SearchSettings | None = None,
) -> Dataset:
    """Find, verify and read a dataset.

    Parameters
    ----------
    name : {"auto", "mnist", "digits"}
        ``"mnist"`` must be found. ``"auto"`` falls back to the digits and says why in the note.
    path : path-like, optional
        MNIST as a folder of IDX files or an .npz file; no other place is searched. Defaults to
        ``MNISTLAB_DATA``.
    seed : int
        Draws the split of the digits; MNIST comes split.
    search : SearchSettings, optional

    Returns
    -------
    Dataset
        Its content is verified, whatever the container.

    Raises
    ------
    MnistlabError
        If the name is unknown, the named path is not MNIST, or MNIST is required and not found. The
        message then lists what was tried.
    """
    if name not in ("auto", "mnist", "digits"):
        raise MnistlabError(f"dataset {name!r}: required auto, mnist or digits; choose one of them")
    if name == "digits":
        return _digits(seed)
    search = search or SearchSettings()
    if named := path or search.environ.get("MNISTLAB_DATA"):
        return _mnist(Path(os.path.expanduser(named)), str(named), search)
    try:
        return _find_mnist(search)
    except MnistlabError as error:
        if name == "mnist":
            raise
        return _digits(seed, note=str(error))


@functools.lru_cache(maxsize=2)
def _load_same(name: str, path: str, sha256: str, note: str) -> Dataset:
    """Load another process's dataset, from the same path or from where this machine has it."""
    no_download = (sys.executable, "-c", "import sys; sys.exit('not tried here')")
    known = path if name == "mnist" and os.path.exists(path) else None
    dataset = load_dataset(name, known, search=SearchSettings(download=no_download))
    if dataset.sha256 != sha256:
        got, required = dataset.sha256[:12], sha256[:12]
        problem = f"content has SHA-256 {got}..., required {required}..."
        raise MnistlabError(f"{dataset.source}: {problem}; copy the data from the other machine")
    return dataclasses.replace(dataset, note=note)


def _find_mnist(search: SearchSettings) -> Dataset:
    keras_home = os.path.expanduser(search.environ.get("KERAS_HOME") or "~/.keras")
    cache = Path(os.path.abspath(keras_home), "datasets", "mnist.npz")
    folders = [root / "data" / "mnist" for root in search.roots]
    folders += [root.parent / "shared" / "mnist" for root in search.roots]
    sources = {folder: str(folder) for folder in folders} | {cache: f"Keras cache {cache}"}
    tried = []
    for path, source in sources.items():
        try:
            if os.path.lexists(path):
                return _mnist(path, source, search)
            tried.append(f"{path}: not there")
        except MnistlabError as error:
            tried.append(str(error))
    try:
        return _download(cache, search)
    except MnistlabError as error:
        tried.append(f"Keras's download: {error}")
    reasons = " ".join(f"({count}) {reason}." for count, reason in enumerate(tried, start=1))
    raise MnistlabError(
        f"no MNIST found; name its folder with --mnist-data or MNISTLAB_DATA. Tried: {reasons}"
    )


def _download(cache: Path, search: SearchSettings) -> Dataset:
    download = (cache, search.download, search.environ, search.download_seconds)
    with temporary_download(*download) as path:
        dataset = _mnist(path, "downloaded by keras.datasets", search)
        # Not cached if another run was first, or the file system has no hard links.
        with contextlib.suppress(OSError):
            os.link(path, cache)
        return dataset


def _mnist(path: Path, source: str, search: SearchSettings) -> Dataset:
    return _dataset("mnist", source, read_verified(path, search.sha256))


def _digits(seed: int, note: str = "") -> Dataset:
    # Imported here because only the digits need them.
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    # The layout of MNIST: a box of 20 x 20 centred in 28 x 28. Levels 0 to 16 become 0 to 255.
    boxes = zoom(digits.images, (1, 2.5, 2.5), order=3, mode="grid-constant", grid_mode=True)
    levels = np.rint(boxes.clip(0, 16) * (255 / 16)).astype(np.uint8)
    images = np.pad(levels, ((0, 0), (4, 4), (4, 4)))
    labels = digits.target.astype(np.uint8)
    split = train_test_split(images, labels, test_size=0.2, random_state=seed, stratify=labels)
    arrays = [split[i] for i in (0, 2, 1, 3)]  # it returns the images of both sets first
    return _dataset("digits", "scikit-learn's bundled digits", arrays, note)


def _dataset(name: str, source: str, arrays: Sequence[Bytes], note: str = "") -> Dataset:
    for array in arrays:
        array.setflags(write=False)  # all tests of a run share them
    sha256 = hashlib.sha256("".join(map(content_sha256, arrays)).encode()).hexdigest()
    train_images, train_labels, test_images, test_labels = arrays
    return Dataset(name, source, sha256, train_images, train_labels, test_images, test_labels, note)
