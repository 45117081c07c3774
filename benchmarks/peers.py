"""Compares the speed of decda and ClustPy (https://github.com/collinleiber/ClustPy) in pretraining and clustering.

    python -m venv peers && . peers/bin/activate
    python -m pip install -c constraints.txt -e .
    python -m pip install --no-deps -r benchmarks/peers-requirements.txt
    python benchmarks/peers.py --data-root DIR

The requirements list every package that ClustPy needs in addition to decda's, so that `--no-deps` keeps the installed
PyTorch. ClustPy is built from source, which takes a C compiler. torchvision is published as a CUDA build. Without a
CUDA build of PyTorch it cannot load its compiled operators, and importing it fails; in that case two of them, `nms` and
`qnms`, are declared here first. Nothing that is measured uses them.

Both programs use the same 10,000 images of 28x28 (MNIST-TEST, or random ones if no data root is given), the network
784-500-500-2000-10 and its mirror with ReLU, the mean squared error, batches of 256, the optimizer (fused in both:
decda's default, and an option of ClustPy), float32 except in one row, the number of threads, and the augmentation: a
rotation by up to 10 degrees and a shift by up to 10 %, bilinear, edges repeated. Each turn runs every program in its
own process, one after the other: A B C, A B C, about five minutes in total. Each process measures after a warm-up. No
progress is displayed.

A pretraining epoch has 39 steps, because both drop the partial batch. It is timed from the end of one epoch to the end
of the next, including everything in between: sampling, augmenting and collating images, and the steps.

An iteration of clustering is one step on a batch; both go through the 10,000 images in 40. The programs do not do the
same work in it:

- decda (recipe `fcdec-da`) encodes 256 augmented images. Their target comes from the clean images of the whole set,
  which are embedded every 30 iterations. These refreshes, 4 in 120 iterations, are included, except in the last
  columns.
- ClustPy (`DEC(augmentation_invariance=True)`) encodes 256 augmented and 256 clean images, takes the target from the
  clean ones in the batch, and minimises the loss of both. It has no refresh and does not stop by the share of changed
  labels. Without augmentation it encodes 256 clean images.

ClustPy reads images one by one from a `torch.utils.data.Dataset` and augments each with a function that the user passes
to `get_dataloader`. Four variants are timed, from the documented one to the one that suits ClustPy best:

- as documented: torchvision's `RandomAffine` on PIL images, with 10 degrees, 10 % and bilinear interpolation;
  torchvision cannot repeat edges, so they become black;
- by image: the warp by `grid_sample` on each image, the fastest function found for single images;
- by image, in workers: the same in persistent worker processes, in addition to the threads, so that it has more cores
  than decda;
- by batch: a data set class written here, which `get_dataloader` accepts, warps the whole batch as decda does. ClustPy
  does not provide it.
"""

import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import measure
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

BATCH = 256
SIDE = 28
CLUSTERS = 10
DEGREES, TRANSLATE = 10.0, 0.1
MIDDLES = (torch.arange(SIDE) * 2 + 1) / SIDE - 1
GRID = torch.stack([MIDDLES.repeat(SIDE), MIDDLES.repeat_interleave(SIDE), torch.ones(SIDE**2)], 1)
"""Centers of the pixels in homogeneous coordinates, (H * W, 3), from -1 to 1 across the image."""
WARM = 30
"""Iterations before the measured ones; equals decda's update interval, so that whole intervals are measured."""
RATES = {"sgd": {"pretrain": 1.0, "cluster": 0.01}, "adam": {"pretrain": 0.001, "cluster": 0.001}}
HINT = "ClustPy is not installed: python -m pip install --no-deps -r benchmarks/peers-requirements.txt"


@dataclass(frozen=True)
class Variant:
    """A row of the table.

    Attributes:
        program: `decda` or `clustpy`.
        augmented: whether images are augmented, in both phases.
        way: how ClustPy augments.
        in_workers: whether it does so in worker processes.
        precision: number format of decda; ClustPy has no such option.
    """

    program: str
    augmented: bool = True
    way: str = ""
    in_workers: bool = False
    precision: str = "float32"


VARIANTS = (
    Variant("decda"),
    Variant("clustpy", way="by image"),
    Variant("clustpy", way="by image", in_workers=True),
    Variant("clustpy", way="as documented"),
    Variant("clustpy", way="by batch"),
    Variant("decda", augmented=False),
    Variant("clustpy", augmented=False),
    Variant("decda", precision="bfloat16"),
)


class Watch:
    """A listener to decda's trainer that records when epochs and iterations ended."""

    def __init__(self, device: str, interval: int):
        self.device = device
        self.interval = interval
        self.ends: dict[str, dict[int, float]] = {"pretrain": {}, "cluster": {}}
        self.refreshed: dict[int, float] = {}

    def __call__(self, event: Any) -> None:
        """Record the time, waiting for the device only at the end of an epoch or before and after a refresh.

        Args:
            event: an event of the trainer.
        """
        from decda.core.events import Progress, Refreshed

        if isinstance(event, Refreshed):
            measure.synchronize(self.device)
            self.refreshed[event.iteration] = time.perf_counter()
        elif isinstance(event, Progress) and (event.phase == "pretrain" or event.step % self.interval == 0):
            measure.synchronize(self.device)
            self.ends[event.phase][event.step] = time.perf_counter()


class Clocked:
    """A data loader that records when each pass over it ended, which is after the last step of an epoch."""

    def __init__(self, loader: "DataLoader[Any]", device: str):
        self.loader = loader
        self.device = device
        self.batch_size, self.dataset = loader.batch_size, loader.dataset
        self.ends: list[float] = []

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        yield from self.loader
        measure.synchronize(self.device)
        self.ends.append(time.perf_counter())

    def seconds(self) -> float:
        """Compute the mean time of a pass, without the first.

        Returns:
            The time in seconds.
        """
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


class Batches(Dataset[Any]):
    """A data set that is read a batch at a time, for the argument `dataset_class` of ClustPy's `get_dataloader`."""

    def __init__(self, x: Tensor, augment: Callable[[Tensor], Tensor]):
        self.x = x
        self.augment = augment

    def __len__(self) -> int:
        return len(self.x)

    def __getitems__(self, index: list[int]) -> list[Tensor]:
        """Index, augmented and clean images of a whole batch."""
        clean = self.x[index]
        return [torch.tensor(index), self.augment(clean), clean]


def as_it_is(batch: list[Tensor]) -> list[Tensor]:
    """Collate nothing: the batch is already complete.

    Args:
        batch: from `Batches`.

    Returns:
        The same.
    """
    return batch


def warp_one(x: Tensor) -> Tensor:
    """Rotate and shift one image; a product with the grid takes half the time of `affine_grid`.

    Args:
        x: a flat image (H * W,).

    Returns:
        The warped image (H * W,).
    """
    angle = math.radians(random.uniform(-DEGREES, DEGREES))
    right, down = (2 * random.uniform(-TRANSLATE, TRANSLATE) for _ in range(2))  # -1 to 1 is the whole width
    cos, sin = math.cos(angle), math.sin(angle)
    grid = (GRID @ torch.tensor([[cos, -sin], [sin, cos], [right, down]])).view(1, SIDE, SIDE, 2)
    return F.grid_sample(x.view(1, 1, SIDE, SIDE), grid, padding_mode="border", align_corners=False).flatten()


def warp_documented() -> Callable[[Tensor], Tensor]:
    """Make the same warp by torchvision, composed as in ClustPy's documentation.

    Returns:
        A function of one flat image (H * W,).
    """
    from torchvision import transforms

    affine = transforms.RandomAffine(
        DEGREES, (TRANSLATE, TRANSLATE), interpolation=transforms.InterpolationMode.BILINEAR
    )
    flat_to_image = transforms.Lambda(lambda x: x.view(1, SIDE, SIDE))
    to_flat = transforms.Lambda(torch.flatten)
    both_ways = [flat_to_image, transforms.ToPILImage(), affine, transforms.ToTensor(), to_flat]
    whole: Callable[[Tensor], Tensor] = transforms.Compose(both_ways)
    return whole


def warp_batch() -> Callable[[Tensor], Tensor]:
    """Make the same warp by decda.

    Returns:
        A function of a batch of flat images (B, H * W).
    """
    from decda.plugins.augmentations.affine import RandomAffine

    affine, generator = RandomAffine(degrees=DEGREES, translate=TRANSLATE), torch.Generator()

    def warp(x: Tensor) -> Tensor:
        return affine.apply(x.view(-1, 1, SIDE, SIDE), affine.sample(len(x), generator)).flatten(1)

    return warp


def load(root: str, n: int) -> Tensor:
    """Load the first images of MNIST-TEST, or make random ones.

    Args:
        root: the data root; "": random images.
        n: number of images.

    Returns:
        Images (n, 1, 28, 28), uint8.
    """
    if not root:
        return torch.randint(256, (n, 1, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    from decda.core.files import Files
    from decda.plugins.datasets.idx import mnist_test

    return mnist_test(Files(Path(root), offline=True)).x[:n]


def time_decda(variant: Variant, args: Namespace) -> dict[str, float]:
    """Time decda.

    Args:
        variant: what to time.
        args: the options.

    Returns:
        Seconds of a pretraining epoch (`pretrain`), of a clustering iteration (`cluster`), and of an iteration without
        the refreshes (`descent`).
    """
    from decda.core.config.composition import compose
    from decda.core.parts.registry import Registry
    from decda.core.runs.assembly import build_model
    from decda.core.training.trainer import Trainer

    registry = Registry.discover()
    settings = {
        "pretrain_epochs": 1 + args.epochs,
        "max_iter": WARM + args.iterations,
        "update_interval": WARM,
        "tol": 0,
        "batch_size": BATCH,
        "augment_in": "both" if variant.augmented else "neither",
        "drop_last": True,
        "precision": variant.precision,
        **{f"{phase}_optimizer": args.optimizer for phase in ("pretrain", "cluster")},
        **{f"{phase}_learning_rate": rate for phase, rate in RATES[args.optimizer].items()},
    }
    augment = (f"augment.degrees={DEGREES}", f"augment.translate={TRANSLATE}")
    config = compose(
        registry, recipe="fcdec-da", settings=(*augment, *(f"train.{name}={value}" for name, value in settings.items()))
    )
    x = load(args.data_root, args.images)
    config = config.resolved(len(x), CLUSTERS)
    model = build_model(config, registry, tuple(x.shape[1:]))
    watch = Watch(args.device, WARM)
    Trainer(x, model, config.train, seed=0, device=args.device, notify=watch).run()
    epochs, iterations = watch.ends["pretrain"], watch.ends["cluster"]
    last = max(iterations)
    cluster = iterations[last] - iterations[WARM]
    refreshes = sum(watch.refreshed[at] - iterations[at] for at in range(WARM, last, WARM))
    return {
        "pretrain": (epochs[max(epochs)] - epochs[1]) / (max(epochs) - 1),
        "cluster": cluster / (last - WARM),
        "descent": (cluster - refreshes) / (last - WARM),
    }


def time_clustpy(variant: Variant, args: Namespace) -> dict[str, float]:
    """Time ClustPy, which has no refreshes.

    Args:
        variant: what to time.
        args: the options.

    Returns:
        The same as `time_decda`; `cluster` and `descent` are equal.
    """
    import_torchvision()
    from clustpy.deep import DEC, get_dataloader
    from clustpy.deep.neural_networks import FeedforwardAutoencoder

    x = load(args.data_root, args.images).flatten(1).float() / 255
    loader: dict[str, Any] = {}
    if variant.way == "by batch":
        loader = {"dataset_class": Batches, "ds_kwargs": {"augment": warp_batch()}}
        loader["dl_kwargs"] = {"collate_fn": as_it_is}
    elif variant.augmented:
        warp = warp_documented() if variant.way == "as documented" else warp_one
        loader = {"ds_kwargs": {"aug_transforms_list": [warp]}}
    if variant.in_workers:
        loader["dl_kwargs"] = {"num_workers": args.workers, "persistent_workers": True}

    def optimizer(phase: str) -> dict[str, Any]:
        momentum = {"momentum": 0.9} if args.optimizer == "sgd" else {}
        return {"lr": RATES[args.optimizer][phase], "fused": True, **momentum}

    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[args.optimizer]
    network = FeedforwardAutoencoder([SIDE**2, 500, 500, 2000, 10], activation_fn=torch.nn.ReLU, random_state=0)
    network.to(args.device)
    pretrain = Clocked(get_dataloader(x, BATCH, shuffle=True, drop_last=True, **loader), args.device)
    network.fit(
        n_epochs=1 + args.epochs,
        optimizer_params=optimizer("pretrain"),
        optimizer_class=kind,
        dataloader=pretrain,
        ssl_loss_fn=torch.nn.MSELoss(),
    )
    cluster = Clocked(get_dataloader(x, BATCH, shuffle=True, **loader), args.device)
    DEC(
        CLUSTERS,
        clustering_optimizer_params=optimizer("cluster"),
        clustering_epochs=1 + math.ceil(args.iterations / len(cluster)),
        optimizer_class=kind,
        neural_network=network,
        custom_dataloaders=(cluster, get_dataloader(x, BATCH, shuffle=False)),
        augmentation_invariance=variant.augmented,
        device=args.device,
        random_state=0,
    ).fit(x.numpy())
    iteration = cluster.seconds() / len(cluster)
    return {"pretrain": pretrain.seconds(), "cluster": iteration, "descent": iteration}


def import_torchvision() -> None:
    """Import torchvision, which ClustPy needs; declare two operators if it cannot load its own."""
    try:
        import_module("torchvision")
    except RuntimeError:  # operator torchvision::nms does not exist
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_module("torchvision")


def child(number: int, args: Namespace) -> None:
    """Time one variant in this process, and print the result as the last line.

    Args:
        number: its index in `VARIANTS`.
        args: the options.
    """
    torch.set_num_threads(args.threads)
    variant = VARIANTS[number]
    print("\n" + json.dumps((time_decda if variant.program == "decda" else time_clustpy)(variant, args)))


def in_child(number: int, args: Namespace) -> dict[str, float]:
    """Time one variant in its own process.

    Args:
        number: its index in `VARIANTS`.
        args: the options.

    Returns:
        The result of `time_decda` or `time_clustpy`.
    """
    options = [word for name, value in vars(args).items() if name != "quick" for word in _option(name, value)]
    done = subprocess.run(
        [sys.executable, __file__, *options, f"--child={number}"],
        env={**os.environ, "OMP_NUM_THREADS": str(args.threads), "TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{VARIANTS[number]} failed:\n{done.stderr}")
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def _option(name: str, value: object) -> list[str]:
    return [] if name == "child" else [f"--{name.replace('_', '-')}={value}"]


def rate(seconds: list[float]) -> str:
    """Format a rate.

    Args:
        seconds: the time of each repeat.

    Returns:
        `median (low-high)` per second.
    """
    timing = measure.Timing.of(seconds)
    return f"{1 / timing.median:.3g} ({1 / timing.high:.3g}-{1 / timing.low:.3g})"


def row(variant: Variant, args: Namespace, taken: dict[Variant, list[dict[str, float]]]) -> list[str]:
    """Make a row of the table.

    Args:
        variant: the variant.
        args: the options.
        taken: the results of all turns, by variant.

    Returns:
        Its name, then the rate and the ratio of decda's rate to it, for pretraining, clustering and clustering without
        refreshes.
    """
    workers = f", workers: {args.workers}" if variant.in_workers else ""
    program = variant.program if variant.precision == "float32" else f"{variant.program}, {variant.precision}"
    names = [program, (variant.way or "yes") + workers if variant.augmented else "none"]
    if variant not in taken:
        return [*names, *["not installed", ""] * 3]
    decda = taken[Variant("decda", augmented=variant.augmented)]
    for what in ("pretrain", "cluster", "descent"):
        mine, its = ([seconds[what] for seconds in each] for each in (decda, taken[variant]))
        names += [rate(its), f"{statistics.median(its) / statistics.median(mine):.2f}"]
    return names


def main() -> None:
    """Measure in turns, and print the table."""
    args = measure.arguments(
        __doc__.partition("\n")[0],
        threads=2, workers=2, turns=3, epochs=2, iterations=120, images=10_000, optimizer="sgd",
        data_root=os.environ.get("DECDA_DATA", ""), child="",
    )  # fmt: skip
    if args.optimizer not in RATES:
        sys.exit(f"--optimizer is one of {', '.join(RATES)}, not {args.optimizer!r}.")
    if args.child:
        return child(int(args.child), args)
    variants = VARIANTS
    if args.quick:
        args.images, args.epochs, args.iterations, args.turns = 512, 1, WARM, 1
        variants = VARIANTS[:2]
    args.iterations = math.ceil(args.iterations / WARM) * WARM
    installed = find_spec("clustpy") is not None
    if not installed:
        print(HINT, file=sys.stderr)
    if not args.quick:
        measure.wait_until_quiet()
    taken: dict[Variant, list[dict[str, float]]] = {}
    for _ in range(args.turns):
        for variant in variants:
            if variant.program == "decda" or installed:
                taken.setdefault(variant, []).append(in_child(VARIANTS.index(variant), args))
    data = "MNIST-TEST" if args.data_root else "random images"
    columns = ["program", "augmentation", "pretraining, epochs/s", "decda / it", "clustering, iterations/s"]
    columns += ["decda / it", "without refreshes, iterations/s", "decda / it"]
    measure.print_table(
        f"Peers: fc, DEC, {args.optimizer}, {args.images} images of {data}, threads: {args.threads}, {args.device}",
        columns,
        [row(variant, args, taken) for variant in variants],
    )


if __name__ == "__main__":
    main()
