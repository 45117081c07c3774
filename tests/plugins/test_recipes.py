"""Recipes that choose by the images, and the first run of a new user."""

from pathlib import Path

import pytest

from decda.core.config.composition import compose
from decda.core.config.train_config import TrainConfig
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.plugins.fast_recipes import conv_fast, fc_fast
from decda.plugins.recipes import QUICK, auto


@pytest.mark.parametrize(
    ("n", "side", "epochs"),
    [(200, 16, 200), (2000, 16, 185), (9298, 16, 40), (10_000, 16, 37), (10_000, 28, 65), (70_000, 28, 12)],
)
def test_epochs_by_the_number_and_size_of_images(n: int, side: int, epochs: int) -> None:
    """`conv-fast` sees 370,000 images of 16x16 in pretraining, more of larger ones, 12 to 200 epochs; fc twice that."""
    assert conv_fast(n, (1, side, side), (0.0, 1.0))["train"]["pretrain_epochs"] == epochs
    if side == 16 and 12 < epochs < 100:
        assert abs(fc_fast(n, (1, side, side), (0.0, 1.0))["train"]["pretrain_epochs"] - 2 * epochs) <= 1


@pytest.mark.parametrize("n", [200, 2000, 9298, 10_000, 30_000, 70_000])
@pytest.mark.parametrize("shape", [(1, 36, 36), (3, 64, 64), (3, 128, 128), (1, 96, 64)])
def test_large_images_get_no_more_than_minutes_of_pretraining(n: int, shape: tuple[int, int, int]) -> None:
    """Images times pixels times epochs are at most twice those of 10,000 images of 28x28, but for the least epochs."""
    for recipe, pixels in ((conv_fast, shape[1] * shape[2]), (fc_fast, shape[0] * shape[1] * shape[2] / 4)):
        epochs = recipe(n, shape, (0.0, 1.0))["train"]["pretrain_epochs"]
        assert epochs == 12 or n * pixels * (epochs - 0.5) <= 2 * 10_000 * 28 * 28 * 65
        assert 12 <= epochs <= 200


@pytest.mark.parametrize("recipe", [conv_fast, fc_fast])
def test_the_fast_recipes_differ_in_the_network(recipe: object) -> None:
    """Both start from UMAP, follow it first, and end at rest."""
    made = recipe(10_000, (1, 28, 28), (0.0, 1.0))  # type: ignore[operator]
    assert made["encoder"] == ("conv" if recipe is conv_fast else "fc")
    assert made["start"] == "umap"
    assert made["train"]["start_refreshes"] * made["train"]["update_interval"] < made["train"]["max_iter"]
    assert made["train"]["cluster_schedule"] == "cosine"


@pytest.mark.parametrize(("n", "interval", "led"), [(9298, 30, 20), (20_000, 30, 20), (70_000, 140, 4)])
def test_large_sets_are_refreshed_less_often(n: int, interval: int, led: int) -> None:
    """Above 20,000 images the target is refreshed every 140 iterations; about as many of them follow the start."""
    train = conv_fast(n, (1, 28, 28), (0.0, 1.0))["train"]
    assert (train["update_interval"], train["start_refreshes"]) == (interval, led)


@pytest.mark.parametrize("recipe", [conv_fast, fc_fast])
def test_the_fast_recipes_take_any_set(recipe: object) -> None:
    """Tables, and images too small for convolutions, get the fully connected network without augmentation."""
    for shape, value_range in (((1, 1, 13), None), ((1, 5, 5), (0.0, 1.0))):
        made = recipe(178, shape, value_range)  # type: ignore[operator]
        assert (made["encoder"], made["augment"]) == ("fc", "none")


@pytest.mark.parametrize("n", [10, 75, 200, 1797, 5000, 10_000, 20_000, 20_001, 70_000])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 64, 64), (3, 128, 128)])
def test_the_target_of_the_head_has_its_turn(n: int, shape: tuple[int, int, int]) -> None:
    """Under `auto` at most a quarter of the iterations, and 10 refreshes, follow the start, for sets of any size."""
    train = auto(n, shape, (0.0, 1.0))["train"]
    interval = TrainConfig().resolved(n).update_interval
    assert train["update_interval"] == interval
    assert train["start_refreshes"] * interval <= train["max_iter"] / 4
    assert train["start_refreshes"] == 10 or (train["start_refreshes"] + 1) * interval > train["max_iter"] / 4


def test_tables_start_from_kmeans_and_keep_the_better() -> None:
    """Images start from `invariant`; of both, clusters that were better at the start of clustering are kept."""
    table, images = auto(178, (1, 1, 13), None), auto(178, (3, 16, 16), (0.0, 1.0))
    assert (table["start"], table["encoder"]) == ("kmeans", "fc")
    assert (images["start"]["name"], images["encoder"]) == ("invariant", "conv")
    assert table["train"]["keep"] == images["train"]["keep"] == "better"


@pytest.mark.slow
def test_quick_clusters_digits(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run of a new user is better than t-SNE and k-means on the pixels, which reach .945 and .912."""
    monkeypatch.setitem(QUICK, "start", "invariant")
    done = run(compose(registry), registry, Files(offline=True), out=tmp_path / "run")
    assert (done.metrics["acc"] or 0) > 0.945
    assert (done.metrics["nmi"] or 0) > 0.912
