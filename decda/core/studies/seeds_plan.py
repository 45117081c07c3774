"""What a folder of several seeds is for, as its `seeds.json` says."""

from pathlib import Path
from typing import Any

from decda.core.atomic_files import read_json
from decda.core.errors import DataError
from decda.core.process.threads import is_thread_count

SEEDS = "seeds.json"
"""The file that says which seeds a folder is for."""


def read_seeds(folder: Path) -> dict[str, Any] | None:
    """What a folder of several seeds is for.

    Args:
        folder: of several seeds, or of something else.

    Returns:
        `seeds`; `recipe`, the name of the recipe that their configuration is based on, or None; and `threads`, of each
        run, or None. None if it is no such folder.

    Raises:
        DataError: its file is damaged.

    Example:
        >>> Path("seeds.json").write_text('{"seeds": [0, 1], "recipe": "quick"}')
        36
        >>> read_seeds(Path("."))
        {'seeds': [0, 1], 'recipe': 'quick', 'threads': None}
    """
    if not (folder / SEEDS).exists():
        return None
    content = read_json(folder / SEEDS)
    seeds, recipe, threads = (content.get(name) for name in ("seeds", "recipe", "threads"))
    whole = isinstance(seeds, list) and seeds and all(type(seed) is int and seed >= 0 for seed in seeds)
    if not (whole and (recipe is None or isinstance(recipe, str)) and (threads is None or is_thread_count(threads))):
        raise DataError(f"{folder / SEEDS} is damaged: it does not say which seeds the folder is for.")
    return {"seeds": seeds, "recipe": recipe, "threads": threads}
