"""Parts are built in order and checked before they are used."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from torch import Tensor

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import BrokenComponent, ConfigError, ContractViolation, DataError, DecdaError, InvalidParameter
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import build_model, build_start, check_model, components, make_part
from decda.core.runs.experiment import run
from decda.core.runs.images import load_images
from decda.core.runs.preparation import prepare
from decda.core.training.starting import no_views
from decda.plugins.heads.dec import DEC

FINE = torch.rand(4, 1, 8, 8)


def with_part(registry: Registry, kind: str, factory: Any) -> tuple[RunConfig, Registry]:
    own = Registry(registry)
    own.add(kind, "mine", factory)
    return replace(compose(own, parts={kind: "mine"}), n_clusters=3), own


def load(registry: Registry, made: Any) -> ImageSet:
    config, own = with_part(registry, "dataset", lambda: made)
    return load_images(config, own, Files(offline=True))


def spoiled(value: float) -> torch.Tensor:
    x = FINE.clone()
    x[2, 0, 1, 1] = value
    return x


@pytest.mark.parametrize(
    ("made", "pattern"),
    [
        (ImageSet(spoiled(float("nan"))), "1 of 4 images have pixels that are not finite.*image 2"),
        (ImageSet(spoiled(float("inf")), names=list("abcd")), r"not finite.*image 2 \(c\)"),
        (ImageSet(spoiled(1.5)), r"not in \[0, 1\].*image 2"),
        (ImageSet(spoiled(-0.1)), r"not in \[0, 1\]"),
        (ImageSet(FINE[:0]), "no pixels"),
    ],
)
def test_invalid_images_are_a_data_error(registry: Registry, made: ImageSet, pattern: str) -> None:
    """Non-finite pixels, values outside [0, 1] and empty sets are refused, naming the first affected image."""
    with pytest.raises(DataError, match=pattern):
        load(registry, made)


@pytest.mark.parametrize(
    ("made", "pattern"),
    [
        (FINE, "must return an ImageSet"),
        (ImageSet(FINE[0]), r"\(N, C, H, W\)"),
        (ImageSet((FINE * 255).to(torch.int32)), "int32"),
        (ImageSet(FINE, y=torch.zeros(3, dtype=torch.int64)), r"int64 of shape \(4,\)"),
        (ImageSet(FINE, names=["a"]), "names as texts, one for each"),
    ],
)
def test_a_data_set_must_keep_its_contract(registry: Registry, made: Any, pattern: str) -> None:
    """A data set that returns wrong shapes or types is reported as violating its contract."""
    with pytest.raises(ContractViolation, match=pattern):
        load(registry, made)


def test_a_data_set_gets_files_if_it_names_it(registry: Registry) -> None:
    """`files` is passed to a data set that names it before the `*`."""
    got: list[Files] = []

    def mine(files) -> ImageSet:
        got.append(files)
        return ImageSet(FINE)

    config, own = with_part(registry, "dataset", mine)
    files = Files(offline=True)
    load_images(config, own, files)
    assert got == [files]


def test_an_augmentation_gets_input_shape_if_it_names_it(registry: Registry) -> None:
    """`input_shape` is passed to an augmentation that names it before the `*`."""

    class Mine:
        def __init__(self, input_shape):
            self.shape = input_shape

        sample = apply = lambda self: None

    config, own = with_part(registry, "augment", Mine)
    assert build_model(config, own, (1, 8, 9)).augment.shape == (1, 8, 9)  # type: ignore[attr-defined]


class OfTables:
    """An augmentation of images and of tables."""

    def __init__(self, value_range):
        self.value_range = value_range

    sample = apply = lambda self: None


@pytest.mark.parametrize("value_range", [(0.0, 1.0), None])
def test_an_augmentation_gets_value_range_if_it_names_it(
    registry: Registry, value_range: tuple[float, float] | None
) -> None:
    """`value_range` is passed to an augmentation that names it: (0, 1) unless told otherwise, None of a table."""
    config, own = with_part(registry, "augment", OfTables)
    config = replace(config, encoder=compose(registry, parts={"encoder": "fc"}).encoder)
    told = {} if value_range else {"value_range": None}
    assert build_model(config, own, (1, 1, 30), **told).augment.value_range == value_range  # type: ignore[attr-defined]


def test_a_table_is_not_augmented_as_images_are(registry: Registry) -> None:
    """Where images are the rows of a table, an augmentation of images is refused, and the ones for tables are named."""
    own = Registry(registry)
    own.add("augment", "jitter", OfTables)
    config = replace(compose(own, parts={"encoder": "fc", "augment": "affine"}), n_clusters=3)
    with pytest.raises(ConfigError) as caught:
        build_model(config, own, (1, 1, 30), None)
    start = r"augment 'affine' \(decda .*\) is for images, and these are the rows of a table \(30 columns\)\. "
    assert re.match(start + "Choose one that takes tables: .*jitter", str(caught.value))
    assert "affine" not in str(caught.value).partition("tables:")[2]
    assert caught.value.parameter == "augment"


def test_an_encoder_of_images_points_to_the_one_of_tables(registry: Registry) -> None:
    """If the encoder refuses the rows of a table, the error names the one that takes them; of images it does not."""
    config, own = with_part(registry, "augment", OfTables)
    config = replace(config, encoder=compose(registry, parts={"encoder": "conv"}).encoder)
    with pytest.raises(InvalidParameter, match=r"these are 1x30\. A table goes with the encoder fc\.$"):
        build_model(config, own, (1, 1, 30), None)
    with pytest.raises(InvalidParameter, match=r"these are 1x30\.$"):
        build_model(config, own, (1, 1, 30))
    narrow = replace(
        config, encoder=compose(registry, parts={"encoder": "fc"}, settings=["encoder.embedding_dim=0"]).encoder
    )
    with pytest.raises(InvalidParameter) as caught:
        build_model(narrow, own, (1, 1, 30), None)
    assert "A table goes" not in str(caught.value)


@pytest.mark.parametrize("told", [{}, {"input_shape": None}, {"input_shape": (3, 8, 8)}])
def test_a_data_set_gets_input_shape_if_it_names_it(registry: Registry, told: dict[str, Any]) -> None:
    """A data set that names `input_shape` gets the shape that its images must have; None where any will do."""
    config, own = with_part(registry, "dataset", lambda files, input_shape: [files, input_shape])
    component = components(config, own, ["dataset"])["dataset"]
    assert make_part(component, {}, 0, files="files", **told) == ["files", told.get("input_shape")]


def test_parts_see_contiguous_images(registry: Registry) -> None:
    """Images that were read as (H, W, C) come to parts in (C, H, W) order, so that they may be viewed as rows."""
    seen: list[torch.Tensor] = []

    class Viewing:
        def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
            return torch.rand(n, 1, generator=generator)

        def apply(self, x: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
            seen.append(x.view(len(x), -1))
            return x

    pixels = (
        torch.arange(2 * 8 * 9 * 3, dtype=torch.int64).fmod(256).to(torch.uint8).view(2, 8, 9, 3).permute(0, 3, 1, 2)
    )
    own = Registry(registry)
    own.add("dataset", "mine", lambda: ImageSet(pixels))
    own.add("augment", "mine", Viewing)
    config = compose(own, parts={"dataset": "mine", "augment": "mine", "encoder": "fc"}, n_clusters=2)
    images = load_images(config, own, Files(offline=True))
    check_model(build_model(config, own, (3, 8, 9)), config, own, images)
    assert torch.equal(seen[0], pixels.contiguous().view(2, -1) / 255)


def no_head(n_clusters, embedding_dim):
    return torch.nn.Identity()


@pytest.mark.parametrize(
    ("kind", "factory", "pattern"),
    [
        ("head", no_head, "must be a ClusteringHead, not Identity"),
        ("encoder", lambda input_shape: torch.nn.Identity(), "must be an Autoencoder, not Identity"),
        ("augment", lambda: 3, "methods sample and apply; int"),
        ("encoder", lambda shape: None, "wants 'shape' before the star"),
    ],
)
def test_a_part_of_the_wrong_type_breaks_the_contract(
    registry: Registry, kind: str, factory: Any, pattern: str
) -> None:
    """The error names the part, its package and the expected type."""
    config, own = with_part(registry, kind, factory)
    with pytest.raises(ContractViolation, match=rf"{kind} 'mine' \(local.*{pattern}"):
        build_model(config, own, (1, 8, 8))


def test_a_head_must_set_its_centers(registry: Registry) -> None:
    """Centers whose shape is not (K, D) are refused when the head is built."""
    base = compose(registry).head.name
    dec = registry.load(registry.find("head", base)).factory

    class Mine(dec):  # type: ignore[misc, valid-type]
        def __init__(self, n_clusters, embedding_dim):
            super().__init__(n_clusters + 1, embedding_dim)

    config, own = with_part(registry, "head", Mine)
    with pytest.raises(ContractViolation, match=r"centers to a tensor of shape \(3, 20\), not torch.Size\(\[4, 20\]\)"):
        build_model(config, own, (1, 8, 8))


def test_values_out_of_range_name_their_part(registry: Registry) -> None:
    """A ValueError raised by a constructor becomes an InvalidParameter error that names the part."""
    config = replace(compose(registry, settings=["head.gamma=-1"]), n_clusters=3)
    with pytest.raises(InvalidParameter, match=r"head 'idec' \(decda .*gamma must not be negative, it is -1"):
        build_model(config, registry, (1, 8, 8))
    with pytest.raises(InvalidParameter, match=r"encoder 'conv'.*at least 8x8 pixels, these are 7x9"):
        build_model(replace(config, n_clusters=3), registry, (1, 7, 9))


@pytest.mark.parametrize("failure", [RuntimeError("no luck"), SystemExit(3), KeyError("x")])
def test_a_constructor_that_fails_names_its_part(registry: Registry, failure: BaseException) -> None:
    """Any exception from a constructor, even SystemExit, is reported with the part's name and package."""

    def mine(input_shape: Any) -> None:
        raise failure

    config, own = with_part(registry, "encoder", mine)
    with pytest.raises(BrokenComponent, match=f"encoder 'mine' .*{type(failure).__name__}"):
        build_model(config, own, (1, 8, 8))


def state(registry: Registry, seed: int) -> dict[str, torch.Tensor]:
    config = replace(compose(registry, seed=seed), n_clusters=3)
    return build_model(config, registry, (1, 8, 8)).autoencoder.state_dict()


def test_initial_weights_depend_on_the_seed_alone(registry: Registry) -> None:
    """Parts are built under a forked generator keyed by seed and kind; the caller's generator is left untouched."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = state(registry, 0)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert all(torch.equal(first[name], tensor) for name, tensor in state(registry, 0).items())
    assert not torch.equal(first["embedding.weight"], state(registry, 1)["embedding.weight"])


def cloud_starts(registry: Registry, start: Any, **words: Any) -> RunConfig:
    """A configuration with a start that was added by hand, and the registry that holds it."""
    registry.add("start", "mine", start)
    return compose(registry, parts={"encoder": "fc", "start": "mine", **words}, settings=["dataset.size=8"])


def refuse(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    raise ValueError("the moon is full")


def collapse(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return 1 / 0  # type: ignore[return-value]


def refuse_in_a_sentence(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    raise ValueError("There is no moon. Wait for it.")


def floats(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return torch.zeros(len(z))


def too_many(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return torch.arange(len(z))


@pytest.mark.parametrize(
    ("start", "error", "reason"),
    [
        (refuse, InvalidParameter, "start 'mine' (local): the moon is full."),
        (refuse_in_a_sentence, InvalidParameter, "start 'mine' (local): There is no moon. Wait for it."),
        (collapse, BrokenComponent, "start 'mine' (local) failed: ZeroDivisionError"),
        (floats, ContractViolation, "start 'mine' (local) must return int64 labels of shape (24,), not torch.float32"),
        (too_many, ContractViolation, "start 'mine' (local) returned labels from 0 to 23; of 10 clusters"),
    ],
)
def test_a_start_that_fails_is_found_before_training(
    registry: Registry, tmp_path: Path, start: Any, error: type[DecdaError], reason: str
) -> None:
    """It is tried on a few random points, and named; there is no folder yet."""
    own = registry.copy()
    config = cloud_starts(own, start)
    with pytest.raises(error) as caught:
        run(config, own, Files(offline=True), out=tmp_path / "run")
    assert reason in str(caught.value)
    assert not str(caught.value).endswith("..")
    assert not (tmp_path / "run").exists()


def test_a_start_that_sets_threads_leaves_them_as_they_were(registry: Registry) -> None:
    """Libraries that a start calls change PyTorch's number of threads."""

    def busy(z: Tensor, n_clusters: int, seed: int) -> Tensor:
        torch.set_num_threads(3)
        return torch.arange(len(z)) % n_clusters

    own = registry.copy()
    start = build_start(cloud_starts(own, busy), own)
    assert len(start(torch.zeros(6, 2), 2, 0, no_views)) == 6
    assert torch.get_num_threads() == 1


def test_a_start_gets_views_if_it_names_them(registry: Registry) -> None:
    """And not otherwise."""
    asked: list[int] = []

    def seeing(z: Tensor, n_clusters: int, seed: int, views: Any) -> Tensor:
        asked.append(len(list(views(4))))
        return torch.arange(len(z)) % n_clusters

    own = registry.copy()
    start = build_start(cloud_starts(own, seeing), own)
    z = torch.zeros(6, 2)
    start(z, 2, 0, lambda n: iter([z] * n))
    assert asked == [4]


def test_a_start_of_one_set_is_tried_on_as_many_embeddings(registry: Registry) -> None:
    """`whole_set` says that it knows how many there are."""
    sizes: list[int] = []

    def known(z: Tensor, n_clusters: int, seed: int) -> Tensor:
        sizes.append(len(z))
        return torch.arange(len(z)) % n_clusters

    own = registry.copy()
    config = cloud_starts(own, known)
    prepare(config, own, Files(offline=True))
    known.whole_set = True  # type: ignore[attr-defined]
    prepare(config, own, Files(offline=True))
    assert sizes == [24, 1797]


def test_a_head_of_version_2_goes_with_kmeans_alone(registry: Registry) -> None:
    """Another start is refused with what to do; `kmeans` is not asked."""

    class Old(DEC):
        def init_centers(self, z: Tensor, seed: int) -> None:  # type: ignore[override]
            self.centers.data.copy_(z[: len(self.centers)])

    own = registry.copy()
    own.add("head", "old", Old)
    own.add("start", "mine", refuse)
    config = compose(own, parts={"encoder": "fc", "head": "old", "start": "mine"}, settings=["dataset.size=8"])
    with pytest.raises(ConfigError, match="head 'old' .* goes with the start kmeans alone, not with mine") as caught:
        prepare(config, own, Files(offline=True))
    assert caught.value.parameter == "start"
    prepare(compose(own, parts={"encoder": "fc", "head": "old", "start": "kmeans"}), own, Files(offline=True))


def test_paths_of_a_start_are_absolute(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A saved configuration means the same file from any folder, and for any user; also where there are several."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("labels.csv").write_text("label\n" + "0\n1\n" * 898 + "1\n")
    for path in ("labels.csv", "~/labels.csv"):
        start = {"name": "labels", "path": path}
        config = compose(registry, parts={"encoder": "fc", "start": start}, settings=["dataset.size=8"])
        assert prepare(config, registry, Files(offline=True)).config.start.parameters["path"] == tmp_path / "labels.csv"

    def voting(
        z: Tensor, n_clusters: int, seed: int, *, files: Annotated[tuple[Path, ...], "voters"] = (Path("a"),)
    ) -> Tensor:
        return torch.arange(len(z)) % n_clusters

    own = registry.copy()
    parameters = prepare(cloud_starts(own, voting), own, Files(offline=True)).config.start.parameters
    assert parameters["files"] == (tmp_path / "a",)
