"""How long one training step takes, and what share of the measured matrix-product peak it reaches.

A step includes everything: gathering the batch, augmentation, forward and backward pass, optimizer, running means and
events. Its work is counted for the network as published, with two operations per multiply-add, one forward pass and a
backward pass of twice the work: 5.1 GFLOP for fc and 10.3 for conv with 256 images of 28x28. A clustering step of `dec`
counts half, because it does not decode. `mean` is the mean over 30 iterations of clustering and the refresh of the
target from 10,000 images that comes with them.
"""

from collections.abc import Callable, Iterator

import torch
from measure import arguments, once, peak, print_table, side_by_side, synchronize, wait_until_quiet

from decda.core.config.composition import compose
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import build_model
from decda.core.training.trainer import Trainer

BATCH = 256
WORK = {"fc": 3 * 2 * BATCH * 3_329_000, "conv": 3 * 2 * BATCH * 6_681_600}
"""FLOP of a pretraining step: three times the multiply-adds of a forward pass through the autoencoder."""


def trainer(encoder: str, images: torch.Tensor, epochs: int, device: str, mode: str, precision: str) -> Trainer:
    """Make a trainer of FcDEC-DA or ConvDEC-DA.

    Args:
        encoder: `fc` or `conv`.
        images: (N, C, H, W) in [0, 1].
        epochs: epochs of pretraining; 0 starts with clustering.
        device: the device to train on.
        mode: how steps are executed.
        precision: number format of the networks.

    Returns:
        The trainer.
    """
    registry = Registry.discover()
    settings = [f"train.pretrain_epochs={epochs}", "train.tol=0", f"train.step={mode}", f"train.precision={precision}"]
    config = compose(registry, recipe=f"{encoder}dec-da", settings=settings, n_clusters=10, device=device)
    config = config.resolved(len(images), None)
    model = build_model(config, registry, tuple(images.shape[1:]))
    return Trainer(images, model, config.train, seed=0, device=device)


def stepper(steps: Iterator[None]) -> Callable[[], None]:
    """Wrap steps in a function that takes one step per call.

    Args:
        steps: the steps of a trainer.

    Returns:
        The function.
    """
    return lambda: next(steps)


def main() -> None:
    """Measure, and print the table."""
    options = arguments(__doc__, threads="1,2", images=10_000, seconds=6.0, modes="", precisions="")
    count, seconds = (600, 0.0) if options.quick else (options.images, options.seconds)
    cuda = options.device.startswith("cuda")
    modes = (options.modes or ("plain,graph" if cuda else "plain")).split(",")
    precisions = (options.precisions or ("float32,tf32,bfloat16" if cuda else "float32,bfloat16")).split(",")
    images = torch.rand(count, 1, 28, 28)
    if not options.quick:
        wait_until_quiet()
    rows = []
    for threads in (int(n) for n in options.threads.split(",")):
        torch.set_num_threads(threads)
        side = 256 if options.quick else 8192 if cuda else 2048
        top = peak(options.device, side=side, seconds=0.0 if options.quick else 2.0)
        for encoder in ("fc", "conv"):
            for phase, epochs in (("pretrain", 10**6), ("cluster", 0)):
                work = WORK[encoder] / (1 if phase == "pretrain" else 2)
                kinds = [(precision, mode) for precision in precisions for mode in modes]
                calls, runs = {}, {}
                for precision, mode in kinds:
                    steps = trainer(encoder, images, epochs, options.device, mode, precision).steps()
                    for _ in range(2 if options.quick else 12):  # past k-means, capture and compilation
                        next(steps)
                    calls[f"{precision} {mode}"], runs[f"{precision} {mode}"] = stepper(steps), steps
                timings = side_by_side(calls, seconds=seconds, device=options.device)
                first = timings[f"{precisions[0]} {modes[0]}"].median
                for name, timing in timings.items():
                    precision, mode = name.split()
                    mean = ""
                    if phase == "cluster":
                        steps, laps = runs[name], 1 if options.quick else 3
                        whole = once(lambda s=steps, n=laps: [next(s) for _ in range(30 * n)], options.device)
                        mean = f"{whole / 30 / laps * 1e3:.2f}"
                    rate = work / timing.median
                    shares = (f"{rate / 1e9:.0f}", f"{rate / top:.0%}", f"{first / timing.median:.2f}")
                    rows.append((encoder, phase, threads, precision, mode, timing.milliseconds(), mean, *shares))
        rows.append((f"{side}x{side} product", "", threads, "float32", "", "", "", f"{top / 1e9:.0f}", "100%", ""))
    synchronize(options.device)
    columns = ("network", "phase", "threads", "precision", "mode", "ms a step", "mean", "GFLOP/s", "of peak", "faster")
    print_table("One step", columns, rows)


if __name__ == "__main__":
    main()
