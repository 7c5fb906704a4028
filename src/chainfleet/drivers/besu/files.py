"""Files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from chainfleet.model.errors import EnvironmentProblem


def read_text(path: Path) -> str | None:
    """Return a file's text, or None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnvironmentProblem(
            f"{path} can't be read: {error.strerror}", way_out="check its permissions"
        ) from error


def write_text(path: Path, text: str, *, durable: bool = True) -> bool:
    """Write a file whose content is not secret; return whether it changed.

    Args:
        path: its folder is made if need be.
        text: the whole content.
        durable: whether it must survive a loss of power.
    """
    if read_text(path) == text:
        return False
    _replace(path, text, 0o644, durable=durable)
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it never exists with another mode."""
    _replace(path, text, 0o600, durable=True)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder} can't be made: {error.strerror}",
            way_out="check the permissions of the folder above, or give another --state",
        ) from error


def _replace(path: Path, text: str, mode: int, *, durable: bool) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise EnvironmentProblem(
            f"{path} can't be written: {error.strerror}",
            way_out="check permissions and free space, or give another --state",
        ) from error
