"""The cells of a table: which composition, on which data set, beside which published figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import ConfigError, DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.images import hash_images
from decda.core.runs.preparation import prepare


@dataclass(frozen=True)
class CellRequest:
    """A cell as it is asked for.

    Attributes:
        row: what it is called in the table: `"FcDEC-DA"`.
        column: the name of the data set.
        config: from `compose`; its seed does not matter.
        published: ACC and NMI to compare with, None where there are none.
    """

    row: str
    column: str
    config: RunConfig
    published: tuple[float, float] | None = None


@dataclass(frozen=True)
class Cell:
    """One entry of a table: a composition on a data set, tried with several seeds.

    Attributes:
        row: what it is called in the table.
        column: the name of the data set.
        config: resolved; its seed does not matter.
        n_samples: number of images.
        data_sha256: of the images.
        published: ACC and NMI to compare with, None where there are none.
        classes_sha256: of the true classes, which decide the scores.
    """

    row: str
    column: str
    config: RunConfig
    n_samples: int
    data_sha256: str
    published: tuple[float, float] | None = None
    classes_sha256: str = ""


def prepare_cells(requests: Iterable[CellRequest], registry: Registry, files: Files) -> list[Cell]:
    """Resolve and try each composition before anything is run: what would fail for every trial fails here.

    A composition that is asked for under two names is one cell, under the first.

    Args:
        requests: the cells in the order of the table.
        registry: where the parts are.
        files: where the data is.

    Returns:
        The cells.

    Raises:
        DecdaError: something does not fit, or a data set has no classes to measure by.
    """
    loaded: dict[str, tuple[ImageSet, str]] = {}
    cells: dict[tuple[str, str], Cell] = {}
    for request in requests:
        config = request.config
        if config.autoencoder is not None:
            raise ConfigError(
                f"'{request.row}' starts from a pretrained autoencoder; in a study each trial pretrains its own."
            )
        dataset = repr(config.dataset)
        images, digest = loaded.get(dataset, (None, ""))
        ready = prepare(config, registry, files, images)
        if images is None:
            if ready.images.y is None:
                raise DataError(f"The data set '{config.dataset.short}' has no classes, so nothing can be measured.")
            digest = hash_images(ready.images.x)
            loaded[dataset] = ready.images, digest
        assert ready.images.y is not None
        classes = sha256(ready.images.y.numpy().tobytes()).hexdigest()
        size = len(ready.images.x)
        cell = Cell(request.row, request.column, ready.config, size, digest, request.published, classes)
        cells.setdefault((ready.config.sha256(), digest), cell)
    return list(cells.values())
