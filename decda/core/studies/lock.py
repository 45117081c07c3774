"""The folder of a study, which one study at a time may use."""

from pathlib import Path
from typing import Any

from decda.core.errors import ConfigError
from decda.core.runs.lock import LOCK_NAME, FolderLock
from decda.core.runs.naming import check_place, printable


def check_folder(out: Path) -> None:
    """Refuse a folder that belongs to something else, before anything is loaded.

    Args:
        out: the folder of a study, or of one to be.

    Raises:
        ConfigError: the folder cannot be used, see `check_place`, is neither empty nor a study's, or another study is
            at work there.
    """
    check_place(out)
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if names and "trials" not in names:
        raise ConfigError(
            f"{printable(out)} exists and is not the folder of a study. Name another folder.", parameter="out"
        )
    if LOCK_NAME in names:  # perhaps left by a study that was killed
        with FolderLock(out, parameter="out"):
            pass


class StudyLock:
    """Keeps a second study out of a folder, where it would remove what the first one is working on.

    Args:
        out: the folder, made if it does not exist.

    Raises:
        ConfigError: on entry, if another study is at work there, or the folder cannot be used.
    """

    def __init__(self, out: Path):
        self.out = out

    def __enter__(self) -> None:
        """Make the folder and take it, or say who has it."""
        try:
            for folder in ("trials", "autoencoders"):
                (self.out / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The folder {printable(self.out)} cannot be used: {error.strerror or error}. Name another folder.",
                parameter="out",
            ) from error
        self._lock = FolderLock(self.out, parameter="out")
        self._lock.__enter__()

    def __exit__(self, *error: Any) -> None:
        """Let go of the folder."""
        self._lock.__exit__(*error)
