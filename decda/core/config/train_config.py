"""How to train: every setting of the trainer, with its type, default and range."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from decda.core.parts.parameters import read_parameters

OptimizerName = Literal["sgd", "adam"]
ScheduleName = Literal["constant", "onecycle", "cosine", "linear"]
LARGE_SET = 20_000
"""Sets above this are refreshed at the interval of MNIST (70,000 images), others at that of MNIST-TEST (10,000)."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train. The defaults are the paper's for the convolutional network, except for the order of the images.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> TrainConfig(max_iter=100).resolved(n_samples=1797).update_interval
        30
    """

    pretrain_epochs: Annotated[int, "epochs of pretraining the autoencoder"] = 500
    batch_size: Annotated[int, "images in a batch, at most the whole set"] = 256
    max_iter: Annotated[int, "most iterations (batches) of clustering"] = 20_000
    update_interval: Annotated[
        int | None, "iterations between two refreshes of the target; none: 140 above 20,000 images, else 30"
    ] = None
    start_refreshes: Annotated[
        int, "refreshes at which the target is still the start's labels, so that the embedding first follows them"
    ] = 0
    tol: Annotated[float, "clustering stops when a smaller share of labels changed between two refreshes"] = 0.001
    order: Annotated[
        Literal["shuffled", "stored"],
        "order of the images while clustering; stored: as the paper's code, for sets that come well mixed",
    ] = "shuffled"
    augment_in: Annotated[
        Literal["both", "pretrain", "cluster", "neither"], "the phases in which images are augmented"
    ] = "both"
    drop_last: Annotated[
        bool | None, "leave out the partial batch of a pretraining epoch; none: only where images are augmented"
    ] = None
    pretrain_optimizer: Annotated[OptimizerName, "optimizer of pretraining"] = "adam"
    pretrain_learning_rate: Annotated[float, "learning rate of pretraining"] = 0.001
    pretrain_momentum: Annotated[float, "momentum of pretraining, for sgd"] = 0.9
    pretrain_schedule: Annotated[
        ScheduleName, "how the learning rate of pretraining moves; onecycle: up from 1/25 of it, then down to 0"
    ] = "constant"
    cluster_optimizer: Annotated[OptimizerName, "optimizer of clustering"] = "adam"
    cluster_learning_rate: Annotated[float, "learning rate of clustering"] = 0.001
    cluster_momentum: Annotated[float, "momentum of clustering, for sgd"] = 0.9
    cluster_schedule: Annotated[ScheduleName, "how the learning rate of clustering moves, over max_iter iterations"] = (
        "constant"
    )
    n_clusters_range: Annotated[
        tuple[int, int], "the smallest and the largest number of clusters that n_clusters = auto may find"
    ] = (2, 20)
    keep: Annotated[
        Literal["end", "better"],
        "the model that is kept: that at the end of clustering; better: or that at its start, if nearest neighbours "
        "among the images shared clusters more often there",
    ] = "end"
    images: Annotated[
        Literal["auto", "resident", "streamed"],
        "where images stay; streamed: in memory or in a mapped file, read batch by batch ahead of the step; resident: "
        "on the device; auto: resident where they take at most half of the free memory, or lie in memory already",
    ] = "auto"
    step: Annotated[
        Literal["auto", "plain", "compiled", "graph"],
        "how a step is made: as written, by torch.compile, as a CUDA graph; auto: a graph on a CUDA device, else plain",
    ] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "tf32", "bfloat16"],
        "number format of the networks; tf32: CUDA only; bfloat16: up to 1.7 times as fast on a CPU that has it, "
        "perhaps less exact (.007 less ACC on digits); auto: bfloat16 on such a CPU, else float32",
    ] = "float32"

    def __post_init__(self) -> None:
        least = {"pretrain_epochs": 0, "batch_size": 1, "max_iter": 0, "update_interval": 1, "start_refreshes": 0}
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise ValueError(f"{name} must be at least {minimum}, it is {value}")
        if not 0 <= self.tol <= 1:
            raise ValueError(f"tol must be in [0, 1], it is {self.tol}")
        low, high = self.n_clusters_range
        if not 1 <= low <= high:
            raise ValueError(f"n_clusters_range must be two numbers, 1 or more, in order; it is {low}, {high}")
        for phase in ("pretrain", "cluster"):
            if getattr(self, f"{phase}_learning_rate") <= 0:
                raise ValueError(f"{phase}_learning_rate must be above 0")
            if not 0 <= getattr(self, f"{phase}_momentum") < 1:
                raise ValueError(f"{phase}_momentum must be in [0, 1)")

    def augments(self, phase: str) -> bool:
        """Whether images are augmented in a phase.

        Args:
            phase: `"pretrain"` or `"cluster"`.
        """
        return self.augment_in in ("both", phase)

    def optimizer(self, phase: str) -> tuple[OptimizerName, float, float]:
        """The optimizer of a phase.

        Args:
            phase: `"pretrain"` or `"cluster"`.

        Returns:
            Its name, learning rate and momentum.
        """
        return (
            getattr(self, f"{phase}_optimizer"),
            getattr(self, f"{phase}_learning_rate"),
            getattr(self, f"{phase}_momentum"),
        )

    def resolved(self, n_samples: int) -> "TrainConfig":
        """With `update_interval` and `drop_last` filled in for a set of a given size.

        Args:
            n_samples: number of images.
        """
        interval = self.update_interval or (140 if n_samples > LARGE_SET else 30)
        drop_last = self.augments("pretrain") if self.drop_last is None else self.drop_last
        return replace(self, update_interval=interval, drop_last=drop_last)


TRAIN_PARAMETERS = read_parameters(TrainConfig)
