"""Recipes, files, arguments and settings are composed into a configuration."""

import os
import pickle
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decda.core.config.composition import compose
from decda.core.config.layers import KEYS
from decda.core.config.run_config import RunConfig, read_toml
from decda.core.errors import (
    AmbiguousComponent,
    BrokenComponent,
    ConfigError,
    DataError,
    DecdaError,
    InvalidParameter,
    UnknownComponent,
)
from decda.core.parts.registry import Registry

RECIPES = ["fcdec-da", "fcidec-da", "fcdcn-da", "convdec-da", "convidec-da"]
RECIPES += [name.removesuffix("-da") for name in RECIPES] + ["quick"]


def test_quick_is_the_base() -> None:
    """Without a recipe or a configuration, a run is based on `quick`."""
    registry = Registry.discover()
    assert compose(registry) == compose(registry, recipe="quick")
    assert compose(registry).recipe == "quick"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_saved_configuration_reads_back_equal(registry: Registry, recipe: str) -> None:
    """`config.toml` is complete: it describes the same run without its recipe."""
    config = compose(registry, recipe=recipe, n_clusters=7, seed=3).resolved(100, None)
    again = compose(registry, config=tomllib.loads(config.as_toml()))
    assert again == config
    assert again.recipe is None


def test_a_none_that_is_not_the_default_survives_the_file(registry: Registry) -> None:
    """TOML has no null, yet a parameter set to none does not fall back to its default."""
    own = Registry(registry)

    def head(n_clusters, embedding_dim, *, limit: int | None = 3) -> None: ...

    own.add("head", "mine", head)
    config = compose(own, parts={"head": "mine"}, settings=["head.limit=none"])
    assert compose(own, config=tomllib.loads(config.as_toml())).head.parameters == {"limit": None}


def test_precedence_of_layers(registry: Registry, tmp_path: Path) -> None:
    """The precedence is recipe < configuration file < named parts and options < --set."""
    file = tmp_path / "my.toml"
    file.write_text(
        'recipe = "convidec-da"\nseed = 5\n[head]\nname = "idec"\ngamma = 0.2\n[train]\nmax_iter = 9\ntol = 0\n'
    )
    config = compose(registry, config=file, seed=6, settings=["train.tol=0.5"])
    assert (config.seed, config.train.max_iter, config.train.tol) == (6, 9, 0.5)
    assert config.head.parameters == {"gamma": 0.2}
    assert config.train.pretrain_epochs == 500
    assert config.recipe == "convidec-da"
    assert compose(registry, config=file, settings=["head.gamma=1"]).head.parameters == {"gamma": 1.0}


def test_another_part_drops_the_parameters_of_the_former(registry: Registry) -> None:
    """Parameters of one data set are not passed to another; naming the same one again keeps them."""
    assert compose(registry).dataset.parameters["size"] == 16
    assert compose(registry, parts={"dataset": "usps"}).dataset.parameters == {}
    assert compose(registry, parts={"dataset": "digits"}).dataset.parameters["size"] == 16
    assert compose(registry, parts={"dataset": "decda:digits"}).dataset.parameters["size"] == 16


def test_a_table_without_a_name_configures_the_part_of_the_recipe(registry: Registry) -> None:
    """`[head] gamma = 1` in a file based on a recipe is a setting of the recipe's head."""
    config = compose(registry, config={"recipe": "quick", "head": {"gamma": 1}})
    assert (config.head.short, config.head.parameters) == ("idec", {"gamma": 1.0})
    with pytest.raises(ConfigError, match="head has parameters but no name"):
        compose(registry, config={"head": {"gamma": 1}})


@pytest.mark.parametrize(
    ("words", "error", "pattern"),
    [
        ({"parts": {"head": "idecc"}}, UnknownComponent, "Unknown head 'idecc'.*'idec'.*dcn, dec, idec"),
        ({"recipe": "quik"}, UnknownComponent, "Unknown recipe 'quik'.*'quick'"),
        ({"settings": ["head.gama=1"]}, InvalidParameter, "'gama'.*setting head.gama=1.*'gamma'"),
        ({"settings": ["head.gamma=big"]}, InvalidParameter, "'gamma' must be a finite number, float, not 'big'"),
        ({"settings": ["train.epochs=1"]}, InvalidParameter, "train has no parameter 'epochs'.*It takes"),
        ({"settings": ["heads.gamma=1"]}, InvalidParameter, "Did you mean 'head'"),
        ({"settings": ["gamma"]}, InvalidParameter, "part.parameter=value"),
        ({"settings": ["train.tol=2"]}, InvalidParameter, r"tol must be in \[0, 1\]"),
        ({"settings": ["train.batch_size=0"]}, InvalidParameter, "batch_size must be at least 1"),
        ({"config": {"recipe": "quick", "head": "nope"}}, UnknownComponent, r"Unknown head 'nope'.*\(from config\)"),
        ({"config": {"recipe": "quick", "head": {"gamma": [1]}}}, InvalidParameter, r"\[1\] \(from config\)"),
        ({"settings": ["seed=3"]}, InvalidParameter, "seed belongs to no part"),
        ({"settings": ["train.max_iter=" + "9" * 30]}, InvalidParameter, "'max_iter' must be int"),
        ({"config": {"recipe": "quick", "heads": "dec"}}, InvalidParameter, "Unknown key 'heads'.*'head'"),
        ({"config": {"recipe": "quick", "head": 3}}, InvalidParameter, "head must be a name or a table"),
        ({"config": {"recipe": "quick", "train": 3}}, InvalidParameter, "train must be a table"),
        ({"config": {"recipe": "quick", "seed": "one"}}, InvalidParameter, "'seed' must be int"),
        ({"config": {"recipe": "quick", "train": {"tol": "x"}}}, InvalidParameter, "'tol' must be.*config"),
        ({"config": {"head": "dec"}}, ConfigError, "names no dataset and no encoder and no augment"),
        ({"config": {"recipe": "quick"}, "recipe": "convdec"}, ConfigError, "convdec contradicts config, based on"),
    ],
)
def test_mistakes_are_explained(
    registry: Registry, words: dict[str, Any], error: type[Exception], pattern: str
) -> None:
    """Each mistake is an error that states what is wrong, where it is, and what is available."""
    with pytest.raises(error, match=pattern):
        compose(registry, **words)


def test_the_same_recipe_twice_is_no_contradiction(registry: Registry) -> None:
    """`--recipe` together with a file that names the same recipe is accepted."""
    assert compose(registry, recipe="decda:quick", config={"recipe": "quick"}).recipe == "quick"


@pytest.mark.parametrize("text", ["not toml [", "\x00", "seed = 1" + "0" * 5000, "x = " + "[" * 5000])
def test_a_file_that_is_not_toml_is_an_error(registry: Registry, tmp_path: Path, text: str) -> None:
    """A damaged or missing configuration file is reported by name."""
    file = tmp_path / "my.toml"
    with pytest.raises(InvalidParameter, match=r"my\.toml cannot be read"):
        compose(registry, config=file)
    file.write_text(text)
    with pytest.raises(InvalidParameter, match=r"my\.toml is not TOML"):
        compose(registry, config=file)


def twins(registry: Registry) -> Registry:
    """The installed parts, and another head that is also called `dec`."""
    both = Registry(registry)

    def other(n_clusters, embedding_dim, *, sharp: Annotated[float, "how sharp"] = 2.0) -> None: ...

    both.add("head", "dec", other)
    return both


def test_other_packages_do_not_change_our_recipes(registry: Registry) -> None:
    """A bare name in a recipe refers to the recipe's own package first; typed by a user, it is ambiguous."""
    both = twins(registry)
    assert compose(both, recipe="convdec-da").head.name == "decda:dec"
    with pytest.raises(AmbiguousComponent, match="decda"):
        compose(both, parts={"head": "dec"})
    assert compose(both, parts={"head": "local:dec"}).head.parameters == {"sharp": 2.0}


def test_other_packages_do_not_change_a_saved_run(registry: Registry) -> None:
    """`config.toml` has parts as `package:name`, so that a part of the same name installed later changes nothing."""
    saved = tomllib.loads(compose(registry, recipe="convdec-da").as_toml())
    assert saved["head"]["name"] == "decda:dec"
    assert compose(twins(registry), config=saved).head.name == "decda:dec"


def test_a_recipe_may_be_a_function(registry: Registry) -> None:
    """A recipe is a mapping, or a function without arguments that returns one."""
    own = Registry(registry)
    whole = {"dataset": "digits", "encoder": "fc", "head": "dec", "augment": "none"}
    own.add("recipe", "made", lambda: whole)
    assert compose(own, recipe="made").encoder.short == "fc"


@pytest.mark.parametrize(
    "made", [3, lambda: 3, lambda: 1 / 0, sys.exit, {"recipe": "quick"}, {"head": None}, {1: 2}, {"head": {"x": {1}}}]
)
def test_an_invalid_recipe_is_broken(registry: Registry, made: Any) -> None:
    """A recipe that is not a valid mapping, raises or is based on another recipe is reported as a broken part."""
    own = Registry(registry)
    own.add("recipe", "made", made)
    with pytest.raises(BrokenComponent, match="made"):
        compose(own, recipe="made")


def test_a_recipe_that_names_unknown_parts_is_broken(registry: Registry) -> None:
    """An unknown part in a recipe is not the user's mistake: the error names the recipe and its package."""
    own = Registry(registry)
    own.add("recipe", "made", {"head": "nope"})
    with pytest.raises(BrokenComponent, match="recipe 'made' of local cannot be used. Unknown head 'nope'"):
        compose(own, recipe="made")


def settings_of(config: RunConfig) -> tuple[Any, ...]:
    t = config.train
    return (
        t.pretrain_epochs,
        t.batch_size,
        t.max_iter,
        t.tol,
        t.augment_in,
        *t.optimizer("pretrain"),
        *t.optimizer("cluster"),
    )


@pytest.mark.parametrize(
    ("name", "encoder", "head", "pretrain", "cluster"),
    [
        ("fcdec", "fc", "dec", ("sgd", 1.0, 0.9), ("sgd", 0.01, 0.9)),
        ("fcidec", "fc", "idec", ("sgd", 1.0, 0.9), ("sgd", 1.0, 0.9)),
        ("fcdcn", "fc", "dcn", ("sgd", 1.0, 0.9), ("adam", 1e-4, 0.9)),
        ("convdec", "conv", "dec", ("adam", 1e-3, 0.9), ("adam", 1e-3, 0.9)),
        ("convidec", "conv", "idec", ("adam", 1e-3, 0.9), ("adam", 1e-3, 0.9)),
    ],
)
@pytest.mark.parametrize("augmented", [True, False])
def test_the_papers_recipes(
    registry: Registry, name: str, encoder: str, head: str, pretrain: Any, cluster: Any, augmented: bool
) -> None:
    """Each recipe holds the settings that the paper states for it."""
    config = compose(registry, recipe=f"{name}-da" if augmented else name)
    where = "both" if augmented else "neither"
    assert config.train.order == "stored"
    assert settings_of(config) == (500, 256, 20_000, 0.001, where, *pretrain, *cluster)
    assert (config.encoder.short, config.head.short, config.augment.short) == (encoder, head, "affine")
    assert config.augment.parameters == {"degrees": 10.0, "translate": 0.1, "backend": "fast"}
    if head == "idec":
        assert config.head.parameters == {"gamma": 0.1}
    assert config.resolved(9298, 10).train.drop_last is augmented


@pytest.mark.parametrize(("n_samples", "interval"), [(70_000, 140), (10_000, 30), (9_298, 30), (1_797, 30)])
def test_the_update_interval_follows_the_size_of_the_set(registry: Registry, n_samples: int, interval: int) -> None:
    """The interval is 140 iterations on MNIST and Fashion-MNIST, and 30 on MNIST-TEST and USPS, as the authors use."""
    assert compose(registry).resolved(n_samples, 10).train.update_interval == interval


def test_clusters_to_be_counted_stay_so(registry: Registry) -> None:
    """With n_clusters = auto nothing is taken from the classes, and the configuration reads back equal."""
    config = compose(registry, n_clusters="auto", settings=["train.n_clusters_range=3,9"]).resolved(100, 4)
    assert (config.n_clusters, config.known_clusters, config.train.n_clusters_range) == ("auto", 0, (3, 9))
    assert compose(registry, config=tomllib.loads(config.as_toml())) == config
    assert (config.counted(7).n_clusters, config.counted(7).known_clusters) == (7, 7)


def test_a_range_of_clusters_is_checked(registry: Registry) -> None:
    """A range that is empty, begins below 1, or holds no number that the images could make, is refused."""
    for wrong in ("0,4", "5,4"):
        with pytest.raises(InvalidParameter, match="n_clusters_range must be two numbers"):
            compose(registry, settings=[f"train.n_clusters_range={wrong}"])
    config = compose(registry, n_clusters="auto", settings=["train.n_clusters_range=8,20"])
    assert config.resolved(8, None).n_clusters == "auto"
    with pytest.raises(DataError, match="begins at 8 clusters, and there are 7 images"):
        config.resolved(7, None)


def test_images_without_classes_may_be_counted(registry: Registry) -> None:
    """The error for images without classes names both ways out."""
    with pytest.raises(InvalidParameter, match="n_clusters, or auto, which"):
        compose(registry).resolved(100, None)


def test_the_number_of_clusters_is_resolved(registry: Registry) -> None:
    """It is the given one, else the number of classes, else required; it never exceeds the number of images."""
    assert compose(registry).resolved(100, 4).n_clusters == 4
    assert compose(registry, n_clusters=5).resolved(100, 4).n_clusters == 5
    with pytest.raises(InvalidParameter, match="Give the number of clusters, n_clusters"):
        compose(registry).resolved(100, None)
    for bad, kind in ((0, InvalidParameter), (-3, InvalidParameter), (101, DataError)):
        with pytest.raises(kind, match=f"at most the number of images, 100; it is {bad}") as caught:
            compose(registry, n_clusters=bad).resolved(100, 4)
        assert caught.value.parameter == "n_clusters"
    with pytest.raises(DataError, match="at most the number of images, 7; it is 10, inferred from the labels"):
        compose(registry).resolved(7, 10)
    with pytest.raises(DataError, match="needs at least 2 images; the data set 'digits' has 1"):
        compose(registry).resolved(1, 10)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_only_a_regular_file_is_a_configuration(tmp_path: Path) -> None:
    """A named pipe, a folder and a sparse terabyte are refused at once, with the reason."""
    os.mkfifo(tmp_path / "pipe.toml")
    with (tmp_path / "sparse.toml").open("wb") as file:
        file.truncate(2**40)
    for name, reason in (
        ("pipe.toml", "it is not a regular file"),
        (".", "it is a folder, not a file"),
        ("sparse.toml", "it holds 1099511627776 bytes, more than the 16777216 allowed"),
    ):
        with pytest.raises(InvalidParameter, match=f"The configuration file .* cannot be read: {reason}"):
            read_toml(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"a = 1\0",
        b"\xff\xfe",
        b"a = " + b"[" * 100_000,
        b"a = " + b"9" * 10_000,
        b"a = 1\na = 2",
        pickle.dumps({"a": 1}),
    ],
    ids=["null", "not-utf-8", "deep", "many-digits", "twice", "pickle"],
)
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is not TOML is refused by name, whatever it holds."""
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(InvalidParameter, match=r"config\.toml is not TOML"):
        read_toml(tmp_path / "config.toml")


def test_numbers_of_numpy_serve(registry: Registry) -> None:
    """Numbers out of arrays are taken as Python's."""
    parts = {"head": {"gamma": np.float64(0.25)}, "train": {"max_iter": np.int64(7)}}
    config = compose(registry, parts=parts, n_clusters=np.int32(3), seed=np.int64(2))
    assert (config.n_clusters, config.seed, config.train.max_iter) == (3, 2, 7)
    assert config.head.parameters == {"gamma": 0.25}
    assert type(config.seed) is int


def test_a_missing_part_that_is_replaced_does_no_harm(registry: Registry) -> None:
    """The data set of a saved configuration need not exist if another one is named."""
    saved = tomllib.loads(compose(registry, recipe="convdec-da").as_toml())
    saved["dataset"] = {"name": "local:array"}
    assert compose(registry, config=saved, parts={"dataset": "digits"}).dataset.name == "decda:digits"
    with pytest.raises(UnknownComponent, match="local:array"):
        compose(registry, config=saved)


UNICODE = st.text(st.characters())  # lone surrogates, too
KEY = st.sampled_from([*KEYS, "name", "gamma", "embedding_dim", "tol", "pretrain_epochs"]) | UNICODE
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), UNICODE, st.binary(), st.dates(), st.builds(Path, UNICODE),
    st.sampled_from(["digits", "fc", "idec", "none", "decda:conv", "quick", "../x", "cpu"]), st.builds(object),
)  # fmt: skip
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEY | SCALARS, inner, max_size=5))
TABLES = st.dictionaries(KEY, TREES | st.dictionaries(KEY, TREES, max_size=4), max_size=6)
SETTINGS = st.lists(UNICODE | st.builds("{}.{}={}".format, KEY, KEY, UNICODE), max_size=2)


@settings(deadline=None)
@given(TABLES | st.dictionaries(SCALARS, TREES, max_size=3), SETTINGS)
def test_any_mapping_is_composed_or_refused(registry: Registry, config: dict[str, Any], changes: list[str]) -> None:
    """Whatever a configuration holds, it is refused with an error of one line, or reads back equal from its file."""
    refusal = ""
    try:
        composed = compose(registry, config=config, settings=changes)
    except DecdaError as error:
        refusal = str(error)
    else:
        written = composed.as_toml().encode().decode()
        assert compose(registry, config=tomllib.loads(written)) == composed
    assert len(refusal.splitlines()) <= 1


@settings(deadline=None)
@given(TREES, TABLES, TREES, TREES)
def test_any_arguments_are_composed_or_refused(
    registry: Registry, recipe: Any, parts: dict[str, Any], n_clusters: Any, autoencoder: Any
) -> None:
    """Whatever the arguments are, they make a configuration or an error of one line."""
    refusal = ""
    parts = {name: value for name, value in parts.items() if name not in ("n_clusters", "autoencoder")}
    try:
        composed = compose(registry, recipe=recipe, parts=parts, n_clusters=n_clusters, autoencoder=autoencoder)
    except DecdaError as error:
        refusal = str(error)
    else:
        composed.as_toml().encode()
    assert len(refusal.splitlines()) <= 1


@pytest.mark.parametrize("value", [10**5000, [10**5000], "x" * 10**6], ids=["integer", "list", "text"])
def test_values_that_are_too_long_to_print(registry: Registry, value: Any) -> None:
    """A value that fills a screen, or cannot be printed at all, is refused wherever it stands."""
    tables = ({"seed": value}, {"train": value}, {"train": {"tol": value}}, {"recipe": [value]}, {"head": [value]})
    for config in (*tables, {"head": {"name": "idec", "gamma": value}}):
        with pytest.raises(InvalidParameter) as caught:
            compose(registry, recipe="quick", config=config)
        assert len(str(caught.value)) < 1000
    with pytest.raises(InvalidParameter, match="recipe must be a name"):
        compose(registry, recipe=[value])  # type: ignore[arg-type]
    if isinstance(value, str):
        with pytest.raises(InvalidParameter) as caught:
            compose(registry, settings=[f"head.gamma={value}"])
        assert len(str(caught.value)) < 1000
