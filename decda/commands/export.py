"""`decda export`: a trained model as an ONNX file, or its images in a folder for each cluster."""

import json
from pathlib import Path
from typing import Any

import click

from decda.commands.options import FOLDER, PATH, choose_parts, open_registry
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.interrupts import Interrupts
from decda.core.process.stdout import stdout_to_stderr


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--format", "kind", type=click.Choice(["onnx", "clusters"]), required=True, help="What to make.")
@click.option("--out", type=PATH, required=True, metavar="PATH", help="File (onnx) or folder; must not exist.")
@click.option("--link", is_flag=True, help="clusters: make symbolic links, not copies.")
@click.option("--images", type=PATH, metavar="PATH", help="clusters: where the images are now, if they were moved.")
@click.option("--data-root", type=FOLDER, metavar="DIR", help="clusters: folder of the data files.")
@click.option("--offline", is_flag=True, help="clusters: never use the network.")
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def export(
    run: Path,
    kind: str,
    out: Path,
    link: bool,
    images: Path | None,
    data_root: Path | None,
    offline: bool,
    load: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Export a trained model, or the clusters it found.

    RUN is the folder of a finished run of `decda train`; it is not changed.

    With --format onnx, encoder and head become one graph, from pixels (N, C, H, W) in [0, 1], or from the rows (N, D)
    of a table, to embedding, soft assignment and label, for any number of images. It needs the extra onnx.
    Before the file is written, it is compared with the model.

    With --format clusters, each cluster becomes a folder of its images: copies of the files or links to them, or PNG
    files where the images were no files.
    """
    if kind == "onnx":
        given = {"--link": link, "--images": images, "--data-root": data_root, "--offline": offline}
        strange = [option for option, value in given.items() if value]
        if strange:
            raise click.UsageError(f"{strange[0]} goes with --format clusters: an ONNX file holds no images.")
    from decda.core.process.threads import limit_spinning

    limit_spinning()
    keep_freed_memory()
    with Interrupts(["SIGINT", "SIGTERM"]), stdout_to_stderr():
        result = _export_onnx(run, out, load) if kind == "onnx" else _export_clusters(
            run, out, load, link, images, {"data_root": data_root, "offline": offline or None}
        )  # fmt: skip
    click.echo(json.dumps(result) if as_json else str(out))


def _export_onnx(run: Path, out: Path, load: tuple[Path, ...]) -> dict[str, Any]:
    from decda.console import print_onnx
    from decda.core.runs.inference import load_run
    from decda.core.runs.onnx_export import export_onnx
    from decda.core.runs.prediction_files import check_new_file

    check_new_file(out, "out")
    result = export_onnx(load_run(run, open_registry(load), device="cpu"), out).as_mapping()
    print_onnx(result)
    return result


def _export_clusters(
    run: Path, out: Path, load: tuple[Path, ...], link: bool, images: Path | None, where: dict[str, Any]
) -> dict[str, Any]:
    from decda.console import ImagesDisplay, print_clusters
    from decda.core.files import Files
    from decda.core.runs.cluster_folders import export_clusters
    from decda.core.runs.inference import load_run
    from decda.core.runs.naming import check_out

    check_out(out)
    registry = open_registry(load)
    trained = load_run(run, registry, device="cpu")
    with ImagesDisplay(f"{run} to {out}") as display:
        files = Files(**where, notify=display)
        done = export_clusters(trained, registry, files, out, link=link, images=images, notify=display)
    print_clusters(done.as_mapping())
    return done.as_mapping()
