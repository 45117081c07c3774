"""How much faster do several processes train one run, and how far apart are their losses?

    python benchmarks/processes.py --seconds 20

Each arm is started as by `torchrun --nproc-per-node N`, with one thread a process, and makes steps of pretraining of
ConvDEC-DA on images of 16x16, or of `--side`. Arms take turns. `limit` is the speed of as many processes side by side
that share nothing, each with its part of the batch: what remains to it is the cost of sharing. `difference` is the
largest between the losses of the first steps and those of one process.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import measure
import torch

from decda.core.config.composition import compose
from decda.core.parts.registry import Registry
from decda.core.process.launch import launched_size
from decda.core.runs.assembly import build_model
from decda.core.training.peers import ALONE, Peers
from decda.core.training.process_group import joined
from decda.core.training.trainer import Trainer


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, its figures mean nothing")
    parser.add_argument("--processes", default="1,2", help="default: %(default)s")
    parser.add_argument("--encoders", default="conv,fc", help="default: %(default)s")
    parser.add_argument("--images", type=int, default=9298, help="default: %(default)s, as many as in USPS")
    parser.add_argument("--side", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each arm and round; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--compared", type=int, default=200, help="losses; default: %(default)s")
    parser.add_argument("--arm", default="", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=256, help=argparse.SUPPRESS)
    return parser.parse_args()


def arm(encoder: str, args: argparse.Namespace, peers: Peers) -> dict[str, object]:
    """Make steps, in one of the processes of an arm.

    Args:
        encoder: `conv` or `fc`.
        args: the options.
        peers: the processes.

    Returns:
        Seconds of a step, and the losses of the first ones.
    """
    torch.set_num_threads(1)
    images = torch.rand(args.images, 1, args.side, args.side, generator=torch.Generator().manual_seed(0))
    registry = Registry.discover()
    settings = ["train.pretrain_epochs=1000000", f"train.batch_size={args.batch}"]
    config = compose(registry, recipe=f"{encoder}dec-da", settings=settings, n_clusters=10)
    config = config.resolved(len(images), None)
    trainer = Trainer(
        images, build_model(config, registry, (1, args.side, args.side)), config.train, seed=0, peers=peers
    )
    steps, losses = trainer.steps(), []
    for _ in range(args.compared):
        before = 0.0 if trainer.step is None or trainer.step.totals is None else float(trainer.step.totals)
        next(steps)
        total = float(trainer.step.totals)
        losses.append((total - before if total > before else total) / trainer.batches.size)
    taken, end = [], time.perf_counter() + args.seconds
    ending = torch.zeros(1)
    while not bool(ending):
        start = time.perf_counter()
        for _ in range(10):
            next(steps)
        taken.append((time.perf_counter() - start) / 10)
        ending.fill_(float(time.perf_counter() > end))
        peers.follow([ending])  # all of them must make as many steps
    return {"seconds": statistics.median(taken), "losses": losses}


def run(encoder: str, n: int, *, apart: bool = False) -> dict[str, object]:
    """Start the processes of an arm.

    Args:
        encoder: `conv` or `fc`.
        n: how many.
        apart: whether each is a run of its own, with its part of the batch.

    Returns:
        What the first of them found.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    size = 1 if apart else n
    common = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *sys.argv, "--arm", encoder, *(["--batch", str(256 // n)] if apart else [])]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **common, "RANK": str(rank)})
        for rank in range(n)
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit(f"{encoder}, {n} processes: failed")
    found: dict[str, object] = json.loads(outputs[0])
    return found


def main() -> None:
    """Measure, and print the table."""
    args = arguments()
    if args.quick:
        args.images, args.side, args.seconds, args.rounds, args.compared = 600, 8, 0.2, 1, 5
    if args.arm:
        if launched_size() > 1:
            with joined(torch.device("cpu")) as peers:
                print(json.dumps(arm(args.arm, args, peers)))
        else:
            print(json.dumps(arm(args.arm, args, ALONE)))
        return
    if not args.quick:
        measure.wait_until_quiet()
    rows = []
    counts = [int(n) for n in args.processes.split(",")]
    for encoder in args.encoders.split(","):
        found = {(n, apart): [] for n in counts for apart in (False, True)}
        for _ in range(args.rounds):
            for n, apart in found:
                found[n, apart].append(run(encoder, n, apart=apart))
        seconds = {arm: statistics.median(each["seconds"] for each in runs) for arm, runs in found.items()}
        first, losses = seconds[counts[0], False], found[counts[0], False][0]["losses"]
        for n in counts:
            took = seconds[n, False]
            largest = max(abs(a - b) for a, b in zip(found[n, False][0]["losses"], losses, strict=True))
            limit = first / seconds[n, True]
            rows.append((encoder, n, f"{took * 1e3:.2f}", f"{first / took:.2f}", f"{limit:.2f}", f"{largest:.1e}"))
    columns = ("network", "processes", "ms a step", "speed", "limit", f"difference of {args.compared} losses")
    measure.print_table("Processes that share a run", columns, rows)


if __name__ == "__main__":
    sys.argv[0] = str(Path(sys.argv[0]))
    main()
