"""Checks that captured and compiled steps compute the same as plain ones, by the losses of the first steps.

All modes use the same random draws, so only the order of additions may differ. The loss is read after every step of
pretraining and of clustering, including the first refresh and partial batches. By default, captured steps are checked
on a CUDA device; elsewhere, only whether plain steps are repeatable. `--modes compiled` takes minutes.
"""

import sys

import torch
from measure import arguments, print_table
from step import trainer

from decda.core.events import StepFallback
from decda.core.training.trainer import Trainer

LIMIT = 1e-5
"""Largest relative difference of a loss that passes. Compiled kernels round differently and get no verdict."""


def losses(run: Trainer, phase: str, count: int) -> list[float]:
    """Read the loss of the first steps of a phase.

    Args:
        run: the trainer.
        phase: `pretrain` or `cluster`.
        count: number of steps.

    Returns:
        The loss of each step.
    """
    steps, found = run.steps(), []
    while len(found) < count:
        next(steps)
        if run.phase == phase and run.step is not None:
            found.append(float(sum(run.step.take_means().values())))
    return found


def main() -> None:
    """Print the table; fail if a captured step differs or could not be captured."""
    options = arguments(__doc__, steps=200, images=3000, modes="")
    cuda = options.device.startswith("cuda")
    count = 6 if options.quick else options.steps
    images = torch.rand(600 if options.quick else options.images, 1, 28, 28)
    modes = [mode for mode in (options.modes or ("graph" if cuda else "")).split(",") if mode]
    rows, failed = [], False
    for encoder in ("fc", "conv"):
        for phase, epochs in (("pretrain", 10**6), ("cluster", 1)):
            plain = losses(trainer(encoder, images, epochs, options.device, "plain", "float32"), phase, count)
            again = losses(trainer(encoder, images, epochs, options.device, "plain", "float32"), phase, count)
            for mode, found in [("plain again", again)] + [
                (mode, losses(listening(encoder, images, epochs, options.device, mode), phase, count)) for mode in modes
            ]:
                worst = max(abs(a - b) / max(abs(a), 1e-12) for a, b in zip(plain, found, strict=True))
                failed |= mode == "graph" and worst > LIMIT
                rows.append((encoder, phase, mode, count, f"{worst:.1e}"))
    columns = ("network", "phase", "mode", "steps", "largest relative difference to plain")
    print_table("Parity of the modes of making steps", columns, rows)
    if failed:
        sys.exit(f"A captured step differs from the plain one by more than {LIMIT:g}.")


def listening(encoder: str, images: torch.Tensor, epochs: int, device: str, mode: str) -> Trainer:
    """Make a trainer that exits the program if its mode fails.

    Args:
        encoder: `fc` or `conv`.
        images: (N, C, H, W) in [0, 1].
        epochs: epochs of pretraining.
        device: the device to train on.
        mode: how steps are executed.

    Returns:
        The trainer.
    """
    run = trainer(encoder, images, epochs, device, mode, "float32")

    def notify(event: object) -> None:
        if isinstance(event, StepFallback):
            sys.exit(f"{mode} failed in {event.kind or 'the step'}: {event.reason}")

    run.notify = notify
    return run


if __name__ == "__main__":
    main()
