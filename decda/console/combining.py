"""Shows what several runs agree on."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from decda.core.runs.naming import printable

SCORES = ("acc", "nmi", "ari")


def print_combined(combined: Mapping[str, Any]) -> None:
    """Print the result of `decda combine` on stderr: how far each run agrees, scores and sizes.

    Args:
        combined: the result, as printed as JSON.
    """
    console = Console(stderr=True)
    runs: Sequence[Mapping[str, Any]] = combined["runs"]
    scored = combined["acc"] is not None
    table = Table(box=None, header_style="bold")
    table.add_column("run", overflow="fold")
    for title in ("clusters", "ARI with consensus", *(name.upper() for name in SCORES if scored)):
        table.add_column(title, justify="right")
    for run in runs:
        cells = [str(run["n_clusters"]), f"{run['ari_with_consensus']:.4f}", *_scores(run, scored)]
        table.add_row(Text(printable(run["run"])), *cells)
    table.add_section()
    table.add_row("consensus", str(combined["n_clusters"]), "", *_scores(combined, scored), style="bold")
    body: list[RenderableType] = [
        table,
        Text("images in each cluster: " + ", ".join(str(size) for size in combined["sizes"])),
        Text(
            f"all runs agree on {combined['unanimous']:.1%} of the images; "
            f"{combined['agreement']:.1%} of all votes are for the chosen labels"
        ),
        Text(f"labels in {printable(combined['out'])}/labels.csv"),
    ]
    body += [Text(f"Warning: {printable(told)}", style="bold yellow") for told in combined["warnings"]]
    clusters = "1 cluster" if combined["n_clusters"] == 1 else f"{combined['n_clusters']} clusters"
    heading = Text(f"{combined['n_samples']} images, {clusters}, {len(runs)} runs")
    console.print(Panel(Group(*body), title=heading, expand=False))


def _scores(row: Mapping[str, Any], scored: bool) -> list[str]:
    return [f"{row[name]:.4f}" for name in SCORES] if scored else []
