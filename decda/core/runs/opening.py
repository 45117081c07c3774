"""Data sets that are opened once: what a recipe has asked of the images is not looked up again when the run starts."""

from decda.core.config.image_facts import ImageFacts
from decda.core.config.run_config import PartConfig, RunConfig
from decda.core.contracts import ImageSet, ImageSource
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.images import open_images


class ImageOpener:
    """Opens the data set that a recipe wants to know of, for `compose(look=...)`, and keeps it.

    Args:
        registry: where data sets are.
        files: where their files are.
    """

    def __init__(self, registry: Registry, files: Files):
        self.registry = registry
        self.files = files
        self._opened: dict[str, ImageSet | ImageSource] = {}

    def __call__(self, dataset: PartConfig) -> ImageFacts:
        """Open a data set and tell what it holds.

        Args:
            dataset: which, with its parameters.

        Returns:
            Number, shape and range of its images.

        Raises:
            DecdaError: it cannot be opened.
        """
        images = open_images(dataset, self.registry, self.files)
        self._opened[repr(dataset)] = images
        shape = tuple(images.x.shape) if isinstance(images, ImageSet) else images.shape
        return ImageFacts(shape[0], shape[1:], images.value_range)

    def opened(self, config: RunConfig) -> ImageSet | ImageSource | None:
        """The data set of a run, if it was opened here.

        Args:
            config: of the run.
        """
        return self._opened.get(repr(config.dataset))

    def choice(self, config: RunConfig) -> str:
        """What a recipe has chosen by the images, in a line; "" where none has looked at them.

        Args:
            config: of the run.
        """
        images = self.opened(config)
        if images is None:
            return ""
        n, *shape = images.x.shape if isinstance(images, ImageSet) else images.shape
        what = (
            f"rows of {shape[-1]} numbers" if images.value_range is None else f"images of {'x'.join(map(str, shape))}"
        )
        train = config.train
        return (
            f"{n:,} {what}; by the recipe '{config.recipe}': pretrain_epochs {train.pretrain_epochs}, batch_size "
            f"{train.batch_size}, max_iter {train.max_iter}."
        )
