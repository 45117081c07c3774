"""How long it takes to augment a batch: both warps, by the fast path, by kornia's functions, and by `from_kornia`."""

from functools import partial
from itertools import product

import kornia.augmentation as K
import torch
from measure import arguments, print_table, side_by_side, wait_until_quiet
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from decda.augment import from_kornia
from decda.core.contracts import Augmentation
from decda.plugins.augmentations.affine import RandomAffine
from decda.plugins.augmentations.shift import RandomShift

PARTS = {"affine": RandomAffine, "shift": RandomShift}
ALIKE = {"degrees": 10.0, "translate": (0.1, 0.1), "padding_mode": "border", "p": 1.0}
"""The arguments with which kornia's class does the same as `affine`."""
BACKENDS = ("kornia", "fast")
SHAPES = {"28x28 gray": (1, 28, 28), "32x32 colour": (3, 32, 32)}


class Kernels(TorchDispatchMode):
    """Counts operations that compute a tensor; views, which only reinterpret memory, do not count."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation, and count it if it computes a tensor.

        Args:
            func: the operation.
            types: ignored.
            args: its positional arguments.
            kwargs: its keyword arguments.

        Returns:
            Its result.
        """
        result = func(*args, **(kwargs or {}))
        self.count += isinstance(result, Tensor) and not func.is_view
        return result


def kernels(augment: Augmentation, x: Tensor, draws: Tensor) -> int:
    """Count the kernels that the augmentation of one batch takes.

    Args:
        augment: the augmentation.
        x: images (B, C, H, W).
        draws: their draws (B, P).

    Returns:
        The number of operations that compute a tensor.
    """
    with Kernels() as counter:
        augment.apply(x, draws)
    return counter.count


def main() -> None:
    """Measure, and print the table."""
    options = arguments(__doc__, batch_size=256, seconds=3.0)
    if not options.quick:
        wait_until_quiet()
    rows = []
    for n_threads, images, name in product((1, 2) if options.device == "cpu" else (1,), SHAPES, PARTS):
        torch.set_num_threads(n_threads)
        generator = torch.Generator().manual_seed(0)
        augments: dict[str, Augmentation] = {backend: PARTS[name](backend=backend) for backend in BACKENDS}
        if name == "affine":
            augments["from_kornia"] = from_kornia(K.RandomAffine, **ALIKE)(SHAPES[images])
        x = torch.rand(options.batch_size, *SHAPES[images], generator=generator).to(options.device)
        draws = {way: augment.sample(len(x), generator).to(options.device) for way, augment in augments.items()}
        calls = {way: partial(augment.apply, x, draws[way]) for way, augment in augments.items()}
        timings = side_by_side(calls, seconds=0.05 if options.quick else options.seconds, device=options.device)
        for way, timing in timings.items():
            ratio = timings["kornia"].median / timing.median
            count = kernels(augments[way], x, draws[way])
            rows.append((name, images, n_threads, way, timing.milliseconds(), count, f"{ratio:.1f}"))
    milliseconds = f"ms a batch of {options.batch_size}"
    columns = ("part", "images", "threads", "way", milliseconds, "kernels", "times as fast")
    print_table("Augmentation: the fast warp, kornia's functions, from_kornia", columns, rows)


if __name__ == "__main__":
    main()
