"""`decda predict`: assigns new images to the clusters of a trained model."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from decda.commands.options import FOLDER, PATH, choose_parts, open_registry
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.interrupts import Interrupts
from decda.core.process.stdout import stdout_to_stderr

if TYPE_CHECKING:
    from decda.core.runs.prediction import Predicted

HELD = 2**24
"""Bytes of rows for stdout that are held in memory; more wait in a temporary file."""


@click.command()
@click.argument("run", type=FOLDER)
@click.argument("path", type=PATH)
@click.option("--out", type=PATH, metavar="FILE.csv", help="File of the labels; must not exist.  [default: stdout]")
@click.option("--embeddings", type=PATH, metavar="FILE.npy", help="File of the embeddings, float32; must not exist.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Device to use.  [default: that of the run]"
)
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads on a CPU.  [default: cores]")
@click.option("--set", "settings", multiple=True, metavar="dataset.PARAMETER=VALUE", help="How the images are read.")
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def predict(
    run: Path,
    path: Path,
    out: Path | None,
    embeddings: Path | None,
    device: str | None,
    threads: int | None,
    settings: tuple[str, ...],
    load: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Assign new images to the clusters of a trained model.

    RUN is the folder of a finished run of `decda train`; it is not changed. PATH is a folder of images, or an array in
    a file: .npy, .npz or .csv. The images are prepared as those of the run were (size, colour, scale) and read part by
    part, so that they need not fit into memory.

    The result is a table in CSV: index, name and label of each image; its confidence, which is the largest soft
    assignment; and its distance, from its embedding to the center of its cluster. Images that cannot be read are left
    out, counted, and listed beside --out in a file *-skipped.csv.
    """
    from decda.core.process.threads import choose_threads, limit_spinning

    limit_spinning()
    keep_freed_memory()
    from decda.console import ImagesDisplay, print_predictions
    from decda.core.files import Files
    from decda.core.runs.inference import load_run
    from decda.core.runs.new_images import open_source
    from decda.core.runs.prediction_files import CsvRows, check_outputs, predict_to_files

    rows: dict[str, list[Any]] = {"names": [], "labels": [], "confidence": [], "distance": []}

    def remember(part: "Predicted") -> None:
        rows["names"] += part.names or [""] * len(part.labels)
        for name in ("labels", "confidence", "distance"):
            rows[name] += getattr(part, name).tolist()

    with ExitStack() as stack:
        table = cast(BinaryIO, stack.enter_context(SpooledTemporaryFile(HELD)))
        with Interrupts(["SIGINT", "SIGTERM"]), stdout_to_stderr():
            import torch

            torch.set_num_threads(choose_threads(threads))
            check_outputs(out, embeddings)
            registry = open_registry(load)
            trained = load_run(run, registry, device=device)
            listen: Callable[[Predicted], None] | None = None
            if out is None:
                listen = remember if as_json else CsvRows(table).add
            display = ImagesDisplay(f"{path}, by the model of {run}")
            files = Files(notify=display)
            source = open_source(trained, path, registry, files, settings=settings, settings_origin="--set")
            with display:
                result = predict_to_files(
                    trained, path, source, out=out, embeddings=embeddings, listen=listen, notify=display
                )
            listed = result.skipped_list
            print_predictions(result.as_mapping(), None if listed is None else str(listed))
        if as_json:
            click.echo(json.dumps({**result.as_mapping(), **(rows if out is None else {})}))
        elif out is not None:
            click.echo(out)
        else:  # the whole table or, after an error, nothing
            table.seek(0)
            while chunk := table.read(2**20):
                click.echo(chunk, nl=False)
