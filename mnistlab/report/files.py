"""Files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path


def check_writable(folder: Path, *names: str) -> None:
    """Raise OSError now, and not after the training, if files with these names cannot be written to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    for path in (folder / name for name in names):
        if path.exists():
            path.open("ab").close()


def write_atomically(path: Path, text: str) -> None:
    """Write a text file to the side and rename it, so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
