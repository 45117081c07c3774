"""The published figures."""

import pytest

from decda.core.config.composition import compose
from decda.core.parts.registry import Registry
from decda.paper import ALGORITHMS, AUGMENT_IN, BASES, DATASETS, published, title

TABLE_3 = {
    "fcdec-da": ".985 .959 .979 .945 .980 .945 .577 .652",
    "convdec-da": ".985 .960 .983 .958 .987 .962 .586 .636",
    "fcidec-da": ".986 .962 .981 .950 .984 .954 .580 .652",
    "convidec-da": ".983 .955 .979 .950 .984 .955 .584 .638",
    "fcdcn-da": ".986 .962 .961 .920 .969 .929 .580 .650",
}
"""As printed in Table 3, and equal to the row "both" of Table 2."""


@pytest.mark.parametrize("recipe", ALGORITHMS)
def test_table_3(recipe: str) -> None:
    """The published ACC and NMI of each algorithm on each data set equal those of Table 3."""
    printed = [float(figure) for figure in TABLE_3[recipe].split()]
    pairs = [published(recipe, "both", dataset) for dataset in DATASETS]
    assert [figure for pair in pairs for figure in pair or ()] == printed


def test_table_2() -> None:
    """Some published figures from each row and column equal those of Table 2, and so does the sum of all."""
    assert published("fcdec", "neither", "mnist") == (0.916, 0.875)
    assert published("convdec", "cluster", "usps") == (0.830, 0.902)
    assert published("fcidec", "pretrain", "mnist-test") == (0.952, 0.894)
    assert published("fcdcn", "cluster", "mnist-test") == (0.489, 0.688)
    assert published("convidec", "pretrain", "fashion-mnist") == (0.589, 0.639)
    pairs = [published(recipe, phase, dataset) for recipe in BASES for phase in AUGMENT_IN for dataset in DATASETS]
    assert len(pairs) == 80
    # Sums of the printed table, for ACC and NMI.
    assert [round(sum(column), 3) for column in zip(*pairs, strict=True)] == [66.014, 66.367]  # type: ignore[arg-type]


def test_no_published_figures() -> None:
    """Other data sets and recipes have no published figures."""
    assert published("fcdec-da", "both", "digits") is None
    assert published("quick", "both", "usps") is None


def test_titles_of_rows() -> None:
    """A row has the paper's name and states if only one phase is augmented; other recipes keep their own names."""
    assert [title("fcdec", phase) for phase in AUGMENT_IN] == [
        "FcDEC",
        "FcDEC, augmented in clustering",
        "FcDEC, augmented in pretraining",
        "FcDEC-DA",
    ]
    assert title("convidec-da", "both") == "ConvIDEC-DA"
    assert [title("quick", phase) for phase in ("both", "neither")] == ["quick", "quick, augment_in neither"]  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", BASES)
def test_recipes_differ_in_augmentation_alone(registry: Registry, recipe: str) -> None:
    """A plain recipe of Table 2 with augmentation in both phases equals the `-da` recipe of Table 3."""
    assert compose(registry, recipe=recipe, settings=("train.augment_in=both",)) == compose(
        registry, recipe=f"{recipe}-da"
    )
