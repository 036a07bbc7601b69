"""Find, verify and read a dataset: MNIST, scikit-learn's bundled digits, or data in their form."""

import contextlib
import dataclasses
import functools
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnistlab.arrays import Bytes
from mnistlab.data.files import content_sha256, read_parts
from mnistlab.errors import MnistlabError
from mnistlab.options import DATASETS, check_dataset

MNIST_SHA256 = (  # of the four uncompressed IDX files as published, in the order of IDX_NAMES
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
DOWNLOAD_SECONDS = 60.0
CLONE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their labels, in a training and a test set; the arrays are read-only.

    Images are uint8 (N, 28, 28), 0 to 255, white on black; labels are uint8 (N,), 0 to 9.
    """

    name: str  # "mnist", "digits" or a name of one's own
    source: str  # where it came from, for people
    sha256: str  # of the joined `content_sha256` of the four arrays, in this order:
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    note: str = ""  # why this is not MNIST, if MNIST was preferred

    @property
    def is_published(self) -> bool:
        """Whether it is MNIST or the digits, of which facts such as counts are published."""
        return self.name in DATASETS

    @property
    def waived(self) -> str:
        """Why a published fact is not required of it; empty if it is."""
        reason = f"published of MNIST and the digits only; its hash identifies {self.name}"
        return "" if self.is_published else reason

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as name, path and hash; each process that unpickles it reads the data once."""
        path = os.path.abspath(os.path.expanduser(self.source))
        return _load_same, (self.name, path, self.sha256, self.note)


def load_dataset(name: str = "auto", path: str | os.PathLike[str] | None = None) -> Dataset:
    """Find, verify and read a dataset.

    ``"mnist"`` must be found, and must be MNIST by its hash. ``"auto"`` takes MNIST, else the
    digits and says why in the note. ``"digits"`` needs no file. Any other name is your own, of the
    data at `path`.

    `path` is a folder of four IDX files, gzipped or not, or an .npz of x_train, y_train, x_test and
    y_test: uint8 images (N, 28, 28) of ten classes. No other place is searched. For MNIST it
    defaults to ``MNISTLAB_DATA``.

    Raises
    ------
    MnistlabError
        If the name is unknown, or the data is not there or not as required. The message lists what
        was tried.
    """
    return _load(name, path)


def _load(name: str, path: str | os.PathLike[str] | None, *, download: bool = True) -> Dataset:
    check_dataset(name, path)
    if name == "digits":
        return _digits()
    if name not in DATASETS:
        place = Path(os.path.expanduser(path or ""))
        return _dataset(name, str(path), [*read_parts(place).values()])
    if named := path or os.environ.get("MNISTLAB_DATA"):
        return _mnist(Path(os.path.expanduser(named)), str(named))
    try:
        return _find_mnist(download)
    except MnistlabError as error:
        if name == "mnist":
            raise
        return _digits(str(error))


@functools.lru_cache(maxsize=2)
def _load_same(name: str, path: str, sha256: str, note: str) -> Dataset:
    """Load another process's dataset, from the same path or from where this machine has it."""
    elsewhere = name == "digits" or (name == "mnist" and not os.path.exists(path))
    dataset = _load(name, None if elsewhere else path, download=False)
    if dataset.sha256 != sha256:
        got, required = dataset.sha256[:12], sha256[:12]
        problem = f"content has SHA-256 {got}..., required {required}..."
        raise MnistlabError(f"{dataset.source}: {problem}; copy the data from the other machine")
    return dataclasses.replace(dataset, note=note)


def _find_mnist(download: bool) -> Dataset:
    keras_home = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")
    cache = Path(os.path.abspath(keras_home), "datasets", "mnist.npz")
    roots = [Path.cwd(), *([CLONE] if (CLONE / "pyproject.toml").is_file() else [])]
    folders = [root / "data" / "mnist" for root in roots]
    folders += [root.parent / "shared" / "mnist" for root in roots]
    sources = {folder: str(folder) for folder in folders} | {cache: f"Keras cache {cache}"}
    tried = []
    for path, source in sources.items():
        try:
            if os.path.lexists(path):
                return _mnist(path, source)
            tried.append(f"{path}: not there")
        except MnistlabError as error:
            tried.append(str(error))
    try:
        return _download(cache, KERAS_URL if download else "")
    except MnistlabError as error:
        tried.append(f"download: {error}")
    reasons = " ".join(f"({count}) {reason}." for count, reason in enumerate(tried, start=1))
    raise MnistlabError(
        f"no MNIST found; name its folder with --data or MNISTLAB_DATA. Tried: {reasons}"
    )


def _download(cache: Path, url: str) -> Dataset:
    """Download MNIST, verify it and link it into Keras's cache: no half file, none replaced."""
    if os.path.lexists(cache):
        raise MnistlabError("not tried, as it would replace the cached file; delete that first")
    if not url:
        raise MnistlabError("not tried here")
    limit = f"at most {DOWNLOAD_SECONDS:g} s"
    print(f"mnistlab: downloading MNIST (11 MB) from {url}, {limit}", file=sys.stderr)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent, prefix="mnistlab-") as folder:
            path = Path(folder, cache.name)
            path.write_bytes(_content(url))
            dataset = _mnist(path, f"downloaded from {url}")
            # Not cached if another run was first, or the file system has no hard links.
            with contextlib.suppress(OSError):
                os.link(path, cache)
            return dataset
    except OSError as error:
        advice = "set KERAS_HOME to a folder that can be written to"
        raise MnistlabError(f"{error}; {advice}") from error


def _content(url: str) -> bytes:
    import http.client
    import urllib.request

    deadline, content = time.monotonic() + DOWNLOAD_SECONDS, bytearray()
    try:
        with urllib.request.urlopen(url, timeout=min(10, DOWNLOAD_SECONDS)) as response:
            while part := response.read1(1 << 16):
                content += part
                if time.monotonic() > deadline:
                    raise TimeoutError
    except TimeoutError:
        raise MnistlabError(f"not done after {DOWNLOAD_SECONDS:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise MnistlabError(str(error) or type(error).__name__) from error
    return bytes(content)


def _mnist(path: Path, source: str) -> Dataset:
    parts = read_parts(path)
    for (name, array), required in zip(parts.items(), MNIST_SHA256, strict=True):
        if (got := content_sha256(array)) != required:
            hashes = f"content has SHA-256 {got[:12]}..., required {required[:12]}..."
            advice = "download the file again, or name other data: --dataset NAME"
            raise MnistlabError(f"{name}: not MNIST's: {hashes}; {advice}")
    return _dataset("mnist", source, [*parts.values()])


def _digits(note: str = "") -> Dataset:
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
    split = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    arrays = [split[i] for i in (0, 2, 1, 3)]  # it returns the images of both sets first
    return _dataset("digits", "scikit-learn's bundled digits", arrays, note)


def _dataset(name: str, source: str, arrays: Sequence[Bytes], note: str = "") -> Dataset:
    for array in arrays:
        array.setflags(write=False)  # all tests of a run share them
    sha256 = hashlib.sha256("".join(map(content_sha256, arrays)).encode()).hexdigest()
    train_images, train_labels, test_images, test_labels = arrays
    return Dataset(name, source, sha256, train_images, train_labels, test_images, test_labels, note)
