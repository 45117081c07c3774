"""What a batch costs to augment: both warps, the fast path against kornia's, gray and colour, on one thread and two."""

from functools import partial
from itertools import product

import torch
from measure import arguments, print_table, side_by_side, wait_until_quiet
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from decda.plugins.augmentations.affine import RandomAffine
from decda.plugins.augmentations.shift import RandomShift

PARTS = {"affine": RandomAffine, "shift": RandomShift}
BACKENDS = ("kornia", "fast")
SHAPES = {"28x28 gray": (1, 28, 28), "32x32 colour": (3, 32, 32)}
Augment = RandomAffine | RandomShift


class Kernels(TorchDispatchMode):
    """Counts the operations that compute: what gives a tensor, and not the same memory seen otherwise."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run one operation, and count it if it computes."""
        result = func(*args, **(kwargs or {}))
        self.count += isinstance(result, Tensor) and not func.is_view
        return result


def kernels(augment: Augment, x: Tensor, draws: Tensor) -> int:
    """Kernels that one batch takes."""
    with Kernels() as counter:
        augment.apply(x, draws)
    return counter.count


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, batch_size=256, seconds=3.0)
    if not options.quick:
        wait_until_quiet()
    rows = []
    for n_threads, images, name in product((1, 2) if options.device == "cpu" else (1,), SHAPES, PARTS):
        torch.set_num_threads(n_threads)
        generator = torch.Generator().manual_seed(0)
        augments = {backend: PARTS[name](backend=backend) for backend in BACKENDS}
        x = torch.rand(options.batch_size, *SHAPES[images], generator=generator).to(options.device)
        draws = augments["fast"].sample(len(x), generator).to(options.device)
        calls = {backend: partial(augment.apply, x, draws) for backend, augment in augments.items()}
        timings = side_by_side(calls, seconds=0.05 if options.quick else options.seconds, device=options.device)
        for backend, timing in timings.items():
            ratio = timings["kornia"].median / timing.median
            count = kernels(augments[backend], x, draws)
            rows.append((name, images, n_threads, backend, timing.milliseconds(), count, f"{ratio:.1f}"))
    milliseconds = f"ms a batch of {options.batch_size}"
    columns = ("part", "images", "threads", "backend", milliseconds, "kernels", "times as fast")
    print_table("Augmentation: the fast warp against kornia's", columns, rows)


if __name__ == "__main__":
    main()
