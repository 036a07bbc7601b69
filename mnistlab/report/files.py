"""Files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path


def check_writable(folder: Path, *names: str) -> None:
    """Raise OSError if files with these names cannot be written to a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    for path in (folder / name for name in names):
        if path.exists():
            path.open("ab").close()


def write_atomically(path: Path, text: str) -> None:
    """Write a text file under another name, then rename it: no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
