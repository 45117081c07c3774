"""The listener `tensorboard`."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from decda.core.contracts import as_float
from decda.core.errors import ConfigError
from decda.core.events import Event, Progress, Refreshed, Resumed, RunEnded, Scored

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
"""Below the folder of the run."""
FLUSH_SECONDS = 10
"""Until what was written can be seen."""
THUMBNAIL = 32
"""Longest side of a thumbnail in pixels."""
SPRITE = 8192
"""Longest side of the image of all thumbnails that the projector takes, in pixels."""


class TensorBoard:
    """Curves, the embedding with thumbnails, and the decoded centers, for TensorBoard; needs the extra `tensorboard`.

    Everything is written to `tensorboard/` in the folder of the run: `tensorboard --logdir runs` shows all runs. Loss
    terms are means, as in `log.csv`: of pretraining by epoch, of clustering by iteration, at each refresh.

    A run that was killed and resumed repeats what it did since its last checkpoint. In pretraining TensorBoard hides
    the former points; those of clustering it shows twice, in the same place.

    Args:
        folder: of the run.

    Raises:
        ConfigError: TensorBoard is not installed.
        ValueError: max_images is below 1.
    """

    def __init__(
        self, folder: Path, *, max_images: Annotated[int, "images in the projector, evenly chosen, at least 1"] = 5000
    ):
        if max_images < 1:
            raise ValueError(f"max_images must be at least 1, it is {max_images}")
        self.folder = folder / FOLDER
        self.max_images = max_images
        self.scores: Mapping[str, float | None] = {}
        self._writer: SummaryWriter | None = None

    @staticmethod
    def check() -> None:
        """Refuse the run if TensorBoard is not installed.

        Raises:
            ConfigError: it is not.
        """
        _import()

    def __call__(self, event: Event) -> None:
        """Write what an event tells.

        Args:
            event: of the run.
        """
        if isinstance(event, Resumed):
            # Pretraining goes on by the same steps; clustering counts anew, so that steps cannot say what is outdated.
            first = {"start": 0, "pretrain": event.step + 1}.get(event.phase)
            self._writer = _import()(self.folder, purge_step=first, flush_secs=FLUSH_SECONDS)
        elif isinstance(event, Scored):
            self.scores = event.scores
        elif isinstance(event, Progress):
            self._write_terms(event.phase, event.terms, event.step)
        elif isinstance(event, Refreshed):
            self._write_terms("cluster", event.terms, event.iteration)
            used = float(len(event.labels.unique()))
            for name, value in {"changed": event.changed, "clusters": used, **self.scores}.items():
                if value is not None:
                    self.writer.add_scalar(f"cluster/{name}", value, event.iteration)
        elif isinstance(event, RunEnded):
            self._write_embedding(event)
            if event.images.value_range is not None:
                centers = event.run.model.decode(event.run.model.head.centers)
                self.writer.add_images("centers", _viewable(centers))

    def close(self) -> None:
        """Write what is left, and close the files."""
        if self._writer is not None:
            self._writer.close()

    @property
    def writer(self) -> "SummaryWriter":
        """What writes, made when there is something to write."""
        if self._writer is None:
            self._writer = _import()(self.folder, flush_secs=FLUSH_SECONDS)
        return self._writer

    def _write_terms(self, phase: str, terms: Mapping[str, Tensor], step: int) -> None:
        if not terms:
            return
        values = {name: float(term) for name, term in terms.items()}
        self.writer.add_scalar(f"{phase}/loss", sum(values.values()), step)
        for name, value in values.items():
            self.writer.add_scalar(f"{phase}/loss/{name}", value, step)

    def _write_embedding(self, event: RunEnded) -> None:
        run, images = event.run, event.images
        n, shown = len(images.x), min(self.max_images, len(images.x))
        index = torch.arange(shown) * n // shown
        x = images.x[index]
        columns: dict[str, Sequence[Any]] = {
            "cluster": run.labels[index.numpy()].tolist(),
            "confidence": [f"{share:.3f}" for share in run.confidence[index.numpy()].tolist()],
        }
        if images.y is not None:
            columns["class"] = images.y[index].tolist()
        if images.names is not None:
            columns["name"] = [_in_a_cell(images.names[i]) for i in index.tolist()]
        self.writer.add_embedding(
            run.apply(run.model.embed, x),
            metadata=[list(row) for row in zip(*columns.values(), strict=True)],
            metadata_header=list(columns),
            label_img=None if images.value_range is None else _thumbnails(as_float(x)),
            tag="embedding",
        )


def _import() -> type["SummaryWriter"]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "The listener tensorboard needs TensorBoard, which is not installed. Install it: python -m pip install "
            "tensorboard (or decda with the extra tensorboard).",
            parameter="listen",
        ) from error
    return SummaryWriter


def _thumbnails(x: Tensor) -> Tensor:
    """Images (N, C, H, W) in [0, 1] as small squares (N, 1 or 3, S, S), black where they are not square."""
    longest = max(x.shape[2:])
    side = min(longest, THUMBNAIL, SPRITE // math.ceil(math.sqrt(len(x))))
    height, width = (max(round(each * side / longest), 1) for each in x.shape[2:])
    small = F.interpolate(_viewable(x), (height, width), mode="area")
    top, left = (side - height) // 2, (side - width) // 2
    return F.pad(small, (left, side - width - left, top, side - height - top))


def _viewable(x: Tensor) -> Tensor:
    """Images (N, C, H, W) of any number of channels as gray ones (N, 1, H, W), or coloured ones (N, 3, H, W)."""
    x = x.detach().float().clamp(0, 1)
    if x.shape[1] in (1, 3):
        return x
    return x[:, :3] if x.shape[1] == 4 else x.mean(1, keepdim=True)  # without transparency


def _in_a_cell(name: str) -> str:
    """A name without tabs, line ends and what is not text, as a row of the projector's table needs it."""
    return " ".join(str(name).split()).encode(errors="backslashreplace").decode()
