"""How many clusters does `--n-clusters auto` find, and how many classes are there?

    decda train --dataset usps --recipe convdec-da --set train.pretrain_epochs=40 --set train.max_iter=0 --out runs/usps
    python benchmarks/cluster_count.py runs/usps

Takes folders of finished runs, or folders that hold such folders at any depth, whatever number of clusters they had.
The embeddings are those by their pretrained autoencoder, as in a run that is asked to count. The classes are only
printed beside.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import finished
import measure
import torch

from decda.core.config.composition import compose
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.random_keys import derive_seed
from decda.core.runs.experiment import run
from decda.core.runs.images import count_classes, load_images
from decda.core.runs.inference import load_run
from decda.core.runs.reading import read_run
from decda.core.runs.weights import find_pretrained, load_pretrained
from decda.core.training.cluster_count import count_clusters


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = finished.parser(__doc__)
    for name, default, which in (("--least", 2, "smallest"), ("--most", 20, "largest")):
        told = f"{which} number tried (default: %(default)s)"
        parser.add_argument(name, type=int, default=default, metavar="K", help=told)
    return finished.parse(parser)


def count(folder: Path, registry: Registry, files: Files, candidates: range) -> dict[str, Any]:
    """Count the clusters of one run's images.

    Args:
        folder: of the run.
        registry: where its parts are.
        files: where the data is.
        candidates: numbers that are tried.

    Returns:
        The data set, the number of its classes, the number that was found, and the curve.
    """
    loaded = load_run(folder, registry, device="cpu")
    provenance = read_run(folder)[1]
    config = compose(registry, config=loaded.config.as_mapping(), provenance=provenance, unresolved=("start",))
    images = load_images(config, registry, files)
    load_pretrained(find_pretrained(folder), loaded.model.autoencoder, config.encoder.short)
    z = loaded.model.embed(images.x)
    start = time.perf_counter()
    counted = count_clusters(z, derive_seed(config.seed, "count"), candidates)
    seconds = time.perf_counter() - start
    least = max(figure for _, figure in counted.curve) - counted.tolerance
    return {
        "dataset": config.dataset.short,
        "encoder": config.encoder.short,
        "pretrain_epochs": loaded.ends["pretrain_epochs"],
        "seed": config.seed,
        "n_samples": len(z),
        "n_classes": count_classes(images),
        "n_clusters": counted.n_clusters,
        "as_good": [k for k, figure in counted.curve if figure >= least and k != counted.n_clusters],
        "tolerance": counted.tolerance,
        "curve": [list(point) for point in counted.curve],
        "seconds": round(seconds, 2),
    }


def tiny_run(folder: Path, registry: Registry) -> None:
    """Make a run of an epoch.

    Args:
        folder: of the run.
        registry: where its parts are.
    """
    few = ("train.max_iter=0", "train.pretrain_epochs=1", "train.batch_size=512", "dataset.size=8")
    run(compose(registry, parts={"encoder": "fc"}, settings=few), registry, Files(offline=True), out=folder)


def main() -> None:
    """Print a table with a row for each run."""
    options = arguments()
    torch.set_num_threads(options.threads)
    registry, files = Registry.discover(), Files(options.data_root)
    with tempfile.TemporaryDirectory() as temporary:
        if options.quick:
            tiny_run(Path(temporary) / "run", registry)
        candidates = range(options.least, options.most + 1)
        results = [
            count(path, registry, files, candidates) for path in finished.find([*options.folders, Path(temporary)])
        ]
    if not results:
        sys.exit("There is no finished run in these folders.")
    if options.json:
        print(json.dumps(results))
        return
    columns = ("set", "encoder", "epochs", "seed", "images", "classes", "found", "as good", "seconds", "curve")
    rows = [
        [
            *(str(result[name]) for name in ("dataset", "encoder", "pretrain_epochs", "seed", "n_samples")),
            "" if result["n_classes"] is None else str(result["n_classes"]),
            str(result["n_clusters"]),
            ", ".join(map(str, result["as_good"])),
            f"{result['seconds']:.1f}",
            " ".join(f"{k}:{figure:.3f}".replace("0.", ".", 1) for k, figure in result["curve"]),
        ]
        for result in results
    ]
    measure.print_table("Clusters counted on the pretrained embedding", columns, rows)


if __name__ == "__main__":
    main()
