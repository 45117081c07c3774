"""Data sets are opened once."""

from decda.core.config.composition import compose
from decda.core.contracts import ImageSet, ImageSource
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.core.runs.opening import ImageOpener
from tests.core.runs.sources import CountedSource


def test_the_images_a_recipe_asks_for_are_opened_once(registry: Registry, tmp_path) -> None:
    """What `auto` wanted to know of the images does not open them a second time, and the choice is told in a line."""
    opened: list[ImageSource] = []

    def mine() -> ImageSource:
        opened.append(CountedSource(key=None))
        return opened[-1]

    own = registry.copy()
    own.add("dataset", "mine", mine)
    opener = ImageOpener(own, Files(offline=True))
    settings = ["train.pretrain_epochs=1", "train.max_iter=2"]
    config = compose(own, recipe="auto", parts={"dataset": "mine"}, settings=settings, look=opener, n_clusters=3)
    assert opener.choice(config) == (
        "40 images of 1x8x8; by the recipe 'auto': pretrain_epochs 1, batch_size 32, max_iter 2."
    )
    run(config, own, Files(offline=True), images=opener.opened(config), out=tmp_path / "run")
    assert len(opened) == 1
    assert opened[0].reads == 1  # not type: one chunk


def test_what_was_not_asked_for_is_not_opened(registry: Registry) -> None:
    """A recipe that does not look at images opens nothing, and there is no choice to tell."""

    def never() -> ImageSet:
        raise AssertionError

    own = registry.copy()
    own.add("dataset", "mine", never)
    opener = ImageOpener(own, Files(offline=True))
    config = compose(own, recipe="quick", parts={"dataset": "mine"}, look=opener)
    assert opener.opened(config) is None
    assert opener.choice(config) == ""
