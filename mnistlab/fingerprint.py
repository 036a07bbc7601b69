"""Says what results depend on: versions, the sources of the package and its suite, and what was accepted."""

import functools
import hashlib
import importlib.metadata
import platform
from pathlib import Path

from mnistlab import __version__, suite
from mnistlab.commands import baseline_folder

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn")


@functools.cache
def versions() -> dict[str, str]:
    """Return versions by name, and of mnistlab's own sources a hash; what is not installed has none."""
    found = {"mnistlab": __version__, "mnistlab's sources": sources()}
    found["Python"] = ".".join(platform.python_version_tuple()[:2])
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


@functools.cache
def sources() -> str:
    """Return a hash of all that is Python in the package and in the suite, wherever the suite lies."""
    package, quality = Path(__file__).parent, suite.folder()
    files = [path for path in sorted(package.rglob("*.py")) if quality not in path.parents]
    named = [(path.relative_to(package), path) for path in files]
    named += [(Path("quality", path.name), path) for path in sorted(quality.glob("*.py"))]
    digest = hashlib.sha256()
    for name, path in named:
        content = path.read_bytes()
        digest.update(f"{name.as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def accepted(dataset: str) -> str:
    """Return a hash of what the published recipe is held against on a dataset; "none" where nothing was accepted."""
    names = f"seed-{dataset}.json", f"power-{dataset}.json"
    found = [path for path in (baseline_folder(None, names[0]) / name for name in names) if path.is_file()]
    return hashlib.sha256(b"".join(path.read_bytes() for path in found)).hexdigest()[:12] if found else "none"
