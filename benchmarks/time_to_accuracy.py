"""How long does it take until the clusters of USPS are right to 98 %? Several programs, one and two threads, one run.

    . peers/bin/activate     # made as peers.py says, and: python -m pip install -c constraints.txt umap-learn
    python benchmarks/time_to_accuracy.py --data-root DIR

Every contestant has a process of its own, one after the other, for each number of threads. Its clock starts when its
imports are done and the images are in memory, and stops when its labels first have at least the accuracy (ACC) that is
the target. Only the benchmark knows the classes; the time in which it looks at labels is left out. Each goes on to its
end, so that its final ACC and NMI are known, too, unless it is stopped at the limit.

| contestant | what it is | labels are looked at |
| --- | --- | --- |
| conv-fast, convdec-da | `decda.train` with that recipe, and with all that it writes | at each refresh, at the end |
| clustpy | ClustPy's DEC as documented: its loaders for augmentation, its defaults | after each epoch, at the end |
| clustpy-best | ClustPy's DEC with settings that suit it best | after each epoch, at the end |
| tsne, umap | k-means in a map of the pixels: what anybody gets for nothing | at the end |

All get the same images in [0, 1], the number of clusters and the seed. What differs:

- Augmentation: decda and clustpy-best rotate by up to 10 degrees and shift by up to 10 %, a batch at a time; clustpy
  rotates by up to 16 degrees, shifts by up to 10 % and shears by up to 8 degrees, image by image, and standardises.
- Network: convolutional in decda; 500-500-2000-10 and its mirror, fully connected, in ClustPy, whose convolutional one
  is a ResNet-18 for images of 32x32 in three colours and takes several times as long. All embed in 10 dimensions.
- Pretraining: convdec-da and clustpy-best make 500 epochs as in the paper, clustpy makes 100, conv-fast about 40. All
  use Adam at .001, in one cycle up to .003 in conv-fast. Batches hold 256 images, in conv-fast 128.
- Start: k-means with 20 restarts in convdec-da and clustpy-best, with one in clustpy, UMAP in conv-fast.
- Clustering: ClustPy makes 150 epochs with Adam at .0001, its defaults, and takes targets from each batch; its final
  labels come from k-means on the embedding. decda's recipes take targets from the whole set, and may stop earlier.
- Precision: float32, in conv-fast bfloat16 where the processor has it; ClustPy has no such option.
- UMAP computes on one thread where it has a seed; with more threads it therefore gets none here. What it compiles while
  it runs, counts. t-SNE is that of scikit-learn.

Beside the seconds stands the processor time of the process, in which other programs that compute meanwhile count less.
Seconds of importing are told apart; all of them include PyTorch, by which the images are read. The limit holds from the
start of the clock, and includes looking at labels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from os import environ
from pathlib import Path
from threading import Event, Timer
from typing import Any

import measure
import torch
from numpy.typing import ArrayLike
from peers_clustering import CONTESTANTS

from decda.core.contracts import ImageSet
from decda.core.files import Files
from decda.core.training.metrics import scores

REFERENCE = "conv-fast"
QUICK_SAMPLES = 200


@dataclass(frozen=True)
class Outcome:
    """What a contestant came to.

    Attributes:
        contestant: its name.
        threads: how many it had.
        state: `finished`, `stopped` at the limit, or `failed`.
        to_target: seconds until its labels were good enough; None if they never were.
        processor: the same in processor time, of all threads.
        acc: ACC of the last labels that were looked at.
        nmi: their NMI.
        best_acc: the highest ACC seen.
        total: seconds to its end; None if it did not get there.
        importing: seconds until its process had imported everything.
    """

    contestant: str
    threads: int
    state: str
    to_target: float | None
    processor: float | None
    acc: float | None
    nmi: float | None
    best_acc: float | None
    total: float | None
    importing: float | None


class Watch:
    """A clock that stands still while labels are scored, and prints each score as a line of JSON.

    Args:
        classes: true class of each image (N,).
    """

    def __init__(self, classes: ArrayLike):
        self.classes = classes
        self.start, self.processor_start = time.perf_counter(), time.process_time()

    def worked(self) -> dict[str, float]:
        """How long the contestant has worked.

        Returns:
            `seconds`, and `processor`, the seconds of processor time.
        """
        return {
            "seconds": time.perf_counter() - self.start,
            "processor": time.process_time() - self.processor_start,
        }

    def look(self, labels: Callable[[], ArrayLike]) -> None:
        """Score labels.

        Args:
            labels: makes the cluster of each image (N,).
        """
        worked = self.worked()
        tell(**worked, **scores(self.classes, labels()))
        self.start = time.perf_counter() - worked["seconds"]
        self.processor_start = time.process_time() - worked["processor"]


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="one race for each (default: 1 2)")
    parser.add_argument(
        "--contestants", nargs="+", default=list(CONTESTANTS), choices=CONTESTANTS, metavar="NAME",
        help=f"default: {' '.join(CONTESTANTS)}",
    )  # fmt: skip
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds for each (default: %(default)g)")
    parser.add_argument("--target", type=float, help="ACC that is to be reached (default: .98; with --quick: 0)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--data-root", type=Path, help="folder of the data files")
    parser.add_argument("--quick", action="store_true", help="few images of digits, few epochs: shows that it runs")
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of a table")
    parser.add_argument("--child", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.target is None:
        args.target = 0.0 if args.quick else 0.98
    return args


def load(args: argparse.Namespace) -> ImageSet:
    """Load the images.

    Args:
        args: the options.

    Returns:
        USPS; with `--quick`, some of `digits`.
    """
    if args.quick:
        from decda.plugins.datasets.digits import digits

        images = digits()
        assert images.y is not None
        return ImageSet(images.x[:QUICK_SAMPLES], images.y[:QUICK_SAMPLES])
    from decda.plugins.datasets.usps import usps

    return usps(Files(args.data_root))


def child(args: argparse.Namespace) -> None:
    """Let one contestant compete in this process.

    Args:
        args: the options, with its name in `child`.
    """
    torch.set_num_threads(args.threads[0])
    compete = CONTESTANTS[args.child].get_ready(args)
    tell(note="imported")
    images = load(args)
    assert images.y is not None
    classes = images.y.numpy()
    tell(note="started")
    watch = Watch(classes)
    compete(images.x, len(set(classes.tolist())), watch.look)
    tell(note="finished", **watch.worked())


def tell(**what: Any) -> None:
    """Print a line of JSON, at once.

    Args:
        **what: what it says.
    """
    print(json.dumps(what), flush=True)


def in_child(name: str, threads: int, args: argparse.Namespace) -> Outcome:
    """Let one contestant compete in a process of its own, and stop it at the limit.

    Args:
        name: of the contestant.
        threads: how many it has.
        args: the options.

    Returns:
        What it came to.
    """
    words = [f"--child={name}", f"--threads={threads}", f"--seed={args.seed}"]
    words += [f"--data-root={args.data_root}"] if args.data_root else []
    words += ["--quick"] if args.quick else []
    counts = {"OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads)}
    notes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "stderr").open("w+") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, __file__, *words, f"--folder={folder}"],
            env={**environ, **counts, "TQDM_DISABLE": "1"}, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        stopped = Event()

        def stop() -> None:
            stopped.set()
            process.kill()

        timer = Timer(args.limit, stop)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("{"):  # the others are a library's
                    notes.append({**json.loads(line), "at": time.perf_counter() - begin})
                    if notes[-1].get("note") == "started":
                        timer.start()
            process.wait()
        finally:
            timer.cancel()
            process.kill()  # for nothing, unless this process was interrupted
            process.wait()
        errors.seek(0)
        outcome = judge(name, threads, notes, args.target, stopped=stopped.is_set())
        if outcome.state == "failed":
            print(f"{name} failed:\n{errors.read()}", file=sys.stderr)
    return outcome


def judge(name: str, threads: int, notes: list[dict[str, Any]], target: float, *, stopped: bool) -> Outcome:
    """Sum up what a process has told.

    Args:
        name: of the contestant.
        threads: how many it had.
        notes: the lines it has printed, each with the seconds after which it came as `at`.
        target: the ACC to be reached.
        stopped: whether it was stopped at the limit.

    Returns:
        What it came to.
    """
    looks = [note for note in notes if "acc" in note]
    last = looks[-1] if looks else {}
    told = {note["note"]: note for note in notes if "note" in note}
    hit: dict[str, Any] = next((look for look in looks if look["acc"] >= target), {})
    return Outcome(
        name,
        threads,
        "finished" if "finished" in told else "stopped" if stopped else "failed",
        hit.get("seconds"),
        hit.get("processor"),
        last.get("acc"),
        last.get("nmi"),
        max((look["acc"] for look in looks), default=None),
        told["finished"]["seconds"] if "finished" in told else None,
        told["imported"]["at"] if "imported" in told else None,
    )


def row(outcome: Outcome, references: Mapping[int, float | None], limit: float) -> list[str]:
    """Make a row of the table.

    Args:
        outcome: of a contestant.
        references: by the number of threads, the seconds of `conv-fast` to the target.
        limit: seconds at which contestants were stopped.

    Returns:
        Its cells.
    """
    reference = references.get(outcome.threads)
    return [
        str(outcome.threads),
        outcome.contestant,
        shown(outcome.to_target, ".1f") or ("failed" if outcome.state == "failed" else "not reached"),
        f"{outcome.to_target / reference:.2f}" if outcome.to_target is not None and reference else "",
        shown(outcome.processor, ".1f"),
        *(shown(score, ".3f").replace("0.", ".", 1) for score in (outcome.acc, outcome.nmi, outcome.best_acc)),
        f"stopped at {limit:g}" if outcome.state == "stopped" else shown(outcome.total, ".1f"),
        shown(outcome.importing, ".1f"),
    ]


def shown(value: float | None, form: str) -> str:
    """Format a number that may be missing.

    Args:
        value: the number.
        form: how.

    Returns:
        The number, or nothing.
    """
    return "" if value is None else format(value, form)


def main() -> None:
    """Let all compete, and print the table."""
    args = arguments()
    if args.child:
        return child(args)
    names = []
    for name in args.contestants:
        missing = [package for package in CONTESTANTS[name].packages if find_spec(package) is None]
        if missing:
            print(f"{name} is left out: {', '.join(missing)} is not installed.", file=sys.stderr)
        else:
            names.append(name)
    outcomes = []
    for threads in args.threads:
        for name in names:
            if not args.quick:
                measure.wait_until_quiet()
            outcomes.append(in_child(name, threads, args))
            # At once, so that an hour's figures are not lost if a later contestant is interrupted.
            print(json.dumps(asdict(outcomes[-1])), file=sys.stderr)
    if args.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes]))
    else:
        references = {outcome.threads: outcome.to_target for outcome in outcomes if outcome.contestant == REFERENCE}
        to_target = f"s to ACC {args.target:g}".replace(" 0.", " .")
        measure.print_table(
            f"Time to accuracy: {'digits' if args.quick else 'USPS'}, seed {args.seed}",
            [
                "threads",
                "contestant",
                to_target,
                f"/ {REFERENCE}",
                "processor s",
                "ACC",
                "NMI",
                "best ACC",
                "total s",
                "importing s",
            ],
            [row(outcome, references, args.limit) for outcome in outcomes],
        )
    if any(outcome.state == "failed" for outcome in outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()
