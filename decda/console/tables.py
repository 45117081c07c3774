"""Prints results and registered parts as tables.

Text from outside decda (names, summaries, errors) is wrapped in `Text`, so that rich does not interpret markup in it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from decda.console.durations import duration
from decda.core.execution.messages import Finished, Outcome
from decda.core.runs.naming import printable
from decda.core.studies.seed_ranges import format_seeds
from decda.core.studies.seeds_result import SeedsResult, mean_and_std

PIPE_WIDTH = 200
"""Columns of a table that is not printed on a terminal."""
STATUS_STYLES = {"ok": "green", "broken": "bold red", "ambiguous": "yellow"}
SEEDS_COLUMNS = (("ACC", 4), ("NMI", 4), ("ARI", 4), ("k-means ACC", 4), ("iterations", 0), ("minutes", 1))
"""Title and number of decimals of each column in the table of several seeds."""


def print_result(result: Mapping[str, Any], sizes: Sequence[int]) -> None:
    """Print the result of a run on stderr.

    Args:
        result: the result, as printed as JSON.
        sizes: number of images in each cluster.
    """
    table = Table.grid(padding=(0, 2))
    table.add_row("", *(Text(name.upper(), style="bold") for name in ("acc", "nmi", "ari")))
    if result["acc"] is not None:
        rows = [("this run", result), ("k-means on the pretrained embedding", result["baseline"])]
        if result["start"] != result["baseline"]:
            rows.insert(1, ("where clustering started", result["start"]))
        for label, scores in rows:
            table.add_row(label, *(f"{scores[name]:.4f}" for name in ("acc", "nmi", "ari")))
    counts = Text("images in each cluster: " + ", ".join(str(size) for size in sizes))
    total = result["seconds"].get("total", 0)
    body = [counts, Text(f"{duration(total)}; labels in {result['run']}/labels.csv")]
    if result["acc"] is not None:
        body.insert(0, table)  # type: ignore[arg-type]
    if result.get("kept") == "start":
        told = "kept: the model from the start of clustering, where images that look alike were together more often"
        body.append(Text(told))
    body += [Text(f"Warning: {warning}", style="bold yellow") for warning in result["warnings"]]
    title = Text(f"{result['n_samples']} images, {result['n_clusters']} clusters")
    Console(stderr=True).print(Panel(Group(*body), title=title, expand=False))


def print_evaluation(evaluation: Mapping[str, Any], sizes: Sequence[int]) -> None:
    """Print the result of `decda evaluate` on stderr.

    Args:
        evaluation: the result, as printed as JSON.
        sizes: number of images in each cluster.
    """
    body = [Text("images in each cluster: " + ", ".join(str(size) for size in sizes))]
    if evaluation["acc"] is not None:
        scores = "   ".join(f"{name.upper()} {evaluation[name]:.4f}" for name in ("acc", "nmi", "ari"))
        body.insert(0, Text(scores, style="bold"))
    where = "the images it was trained on" if evaluation["trained_on_these"] else "images it was not trained on"
    body.append(Text(f"{evaluation['run']}: {where}"))
    title = Text(f"{evaluation['dataset']}: {evaluation['n_samples']} images, {evaluation['n_clusters']} clusters")
    Console(stderr=True).print(Panel(Group(*body), title=title, expand=False))


def print_seeds_result(result: SeedsResult) -> None:
    """Print the results of several seeds on stderr: a row per seed, mean and standard deviation, and the failures.

    Args:
        result: the results and failures.
    """
    console = Console(stderr=True)
    rows = {run.seed: _figures(run) for run in result.finished}
    # Columns without any value are left out: a data set without classes has no scores.
    shown = [i for i in range(len(SEEDS_COLUMNS)) if any(row[i] is not None for row in rows.values())]
    table = Table(box=None, header_style="bold")
    for title in ("seed", *(SEEDS_COLUMNS[i][0] for i in shown)):
        table.add_column(title, justify="right")
    outcomes: list[Outcome] = [*result.finished, *result.failed]
    for run in sorted(outcomes, key=lambda run: run.seed):
        if isinstance(run, Finished):
            table.add_row(str(run.seed), *(_decimal(rows[run.seed][i], SEEDS_COLUMNS[i][1]) for i in shown))
        else:
            table.add_row(str(run.seed), Text("failed", style="red"))
    if len(rows) > 1:
        table.add_section()
        spreads = [mean_and_std([row[i] for row in rows.values()]) for i in range(len(SEEDS_COLUMNS))]
        for word, which in (("mean", 0), ("std", 1)):
            cells = [_decimal(spreads[i][which], SEEDS_COLUMNS[i][1] or 1) for i in shown]
            table.add_row(word, *cells, style="bold" if word == "mean" else "")
    if result.finished:
        numbers = " or ".join(map(str, result.numbers))
        heading = Text(f"{result.finished[0].result['n_samples']} images, {numbers} clusters")
        lines = [Text(f"labels in {result.folder}/seed-*/labels.csv")]
        if result.best is not None and len(result.finished) > 1:
            lines.append(Text(f"to use, judged without labels: {result.best.result['run']} (seed {result.best.seed})"))
        if result.undecided:
            lines.append(Text(result.undecided, style="yellow"))
        body = Group(table, *lines)
        console.print(Panel(body, title=heading, expand=False))
    for run in result.finished:
        for warning in run.result["warnings"]:
            console.print(Text(f"Warning: seed {run.seed}: {warning}", style="yellow"), soft_wrap=True)
    messages: dict[str, list[int]] = {}
    for run in result.failed:
        messages.setdefault(run.error, []).append(run.seed)
    for message, seeds in messages.items():
        word = "seed" if len(seeds) == 1 else "seeds"
        console.print(Text(f"Error: {word} {format_seeds(seeds).replace('_', ', ')}: {message}"), soft_wrap=True)


def _figures(run: Finished) -> list[float | None]:
    """The values in the row of a seed, in the order of `SEEDS_COLUMNS`."""
    result = run.result
    scores = [result[name] for name in ("acc", "nmi", "ari")]
    return [*scores, result["baseline"]["acc"], result["iterations"], result["seconds"]["total"] / 60]


def _decimal(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def print_components(
    rows: Sequence[Mapping[str, Any]], problems: Sequence[Mapping[str, str]], switched_off: Sequence[str]
) -> None:
    """Print the table of registered parts on stdout, and defects and switched-off packages on stderr.

    Args:
        rows: the parts, from `decda.core.config.listing.describe`.
        problems: defects of packages: `package`, `version`, `file` and `reason` of each.
        switched_off: the packages that are switched off.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("kind", "name", "package", "status", "summary"):
        # A name of hundreds of characters is folded, so that the other columns are seen.
        width = 60 if name in ("name", "package") else None
        table.add_column(name, no_wrap=name in ("kind", "status"), overflow="fold", max_width=width)
    for row in rows:
        summary = Text(row["summary"])
        if row["error"]:
            summary.append(("\n" if row["summary"] else "") + row["error"], style="red")
        for parameter in row.get("parameters", ()):
            summary.append("\n" + _parameter_line(parameter), style="dim")
        if "settings" in row:
            summary.append("\n" + json.dumps(row["settings"]), style="dim")
        table.add_row(
            row["kind"],
            Text(printable(row["name"]), style="cyan"),
            Text(f"{row['package']} {row['version']}"),
            Text(row["status"], style=STATUS_STYLES[row["status"]]),
            summary,
        )
    _stdout().print(table)
    for problem in problems:
        text = f"{problem['package']} {problem['version']}: {problem['reason']} ({problem['file']})"
        Console(stderr=True).print(Text(text, style="red"))
    if switched_off:
        Console(stderr=True).print(Text(f"Switched off: {', '.join(switched_off)}", style="yellow"))


def print_component(row: Mapping[str, Any]) -> None:
    """Print the description of one part on stdout.

    Args:
        row: the part, from `decda.core.config.listing.describe`, with its parameters or settings.
    """
    console = _stdout()
    console.print(
        Text.assemble((row["kind"], "bold"), " ", (row["name"], "bold cyan"), f"  {row['package']} {row['version']}")
    )
    console.print(Text(row["summary"]))
    if row["error"]:
        console.print(Text(row["error"], style="red"))
    if "settings" in row:
        import tomli_w

        if "settings_of" in row:
            console.print(Text(f"\nIt chooses by the images. For {row['settings_of']}:"))
        console.print(Text("\n" + tomli_w.dumps(row["settings"]).strip()))
        return
    if not row["parameters"]:
        console.print(Text("\nIt takes no parameters."))
        return
    print_parameters(row["kind"], row["parameters"])


def print_parameters(kind: str, parameters: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of parameters on stdout, named as in the option `--set`, which those of listeners are not set by.

    Args:
        kind: the kind of part they belong to, or `train`.
        parameters: from `decda.core.config.listing.describe_parameters`.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    title, prefix = ("parameter", "") if kind == "listener" else ("--set", f"{kind}.")
    for name in (title, "type", "default", "help"):
        table.add_column(name, overflow="fold", no_wrap=name == title)
    for p in parameters:
        table.add_row(Text(prefix + p["name"], style="cyan"), Text(p["type"]), Text(_default(p)), Text(p["help"]))
    _stdout().print()
    _stdout().print(table)


def _stdout() -> Console:
    # A wide table in a pipe is not wrapped, so that each row stays on one line.
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def _parameter_line(parameter: Mapping[str, Any]) -> str:
    return f"{parameter['name']}: {parameter['type']} = {_default(parameter)}  {parameter['help']}"


def _default(parameter: Mapping[str, Any]) -> str:
    if parameter["required"]:
        return "(required)"
    default = parameter["default"]
    if isinstance(default, list):
        return ",".join(str(value) for value in default)
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
