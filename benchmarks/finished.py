"""Shared by the benchmarks that look at finished runs: their options, and where the runs are."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from decda.core.runs.reading import read_run


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser of the options that these benchmarks have in common.

    Args:
        description: the docstring of the script, whose first line `--help` shows.

    Returns:
        The parser, for further options and `parse`.
    """
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="runs, or folders that hold some")
    made.add_argument("--quick", action="store_true", help="tiny runs: shows that it works")
    made.add_argument("--data-root", type=Path, help="folder of the data files")
    made.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    made.add_argument("--json", action="store_true", help="print a list of objects instead of tables")
    return made


def parse(options: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the options of the command line.

    Args:
        options: from `parser`.

    Returns:
        Their values; at least one folder, but for `--quick`.
    """
    parsed = options.parse_args()
    if not parsed.folders and not parsed.quick:
        options.error("name at least one folder of runs")
    return parsed


def find(folders: Sequence[Path]) -> list[Path]:
    """Find the finished runs in and below some folders.

    Args:
        folders: where to look.

    Returns:
        The folders of the runs, each once, sorted.
    """
    found = {path.parent.resolve() for folder in folders for path in folder.rglob("provenance.json")}
    return sorted(path for path in found if read_run(path)[1].get("status") == "finished")
