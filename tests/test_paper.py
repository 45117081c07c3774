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
"""As printed in Table 3; the row "both" of Table 2 prints the same."""


@pytest.mark.parametrize("recipe", ALGORITHMS)
def test_table_3(recipe: str) -> None:
    """ACC and NMI of each algorithm on each data set."""
    printed = [float(figure) for figure in TABLE_3[recipe].split()]
    pairs = [published(recipe, "both", dataset) for dataset in DATASETS]
    assert [figure for pair in pairs for figure in pair or ()] == printed


def test_table_2() -> None:
    """Some of its figures, from each row and column; the sum over all of them."""
    assert published("fcdec", "neither", "mnist") == (0.916, 0.875)
    assert published("convdec", "cluster", "usps") == (0.830, 0.902)
    assert published("fcidec", "pretrain", "mnist-test") == (0.952, 0.894)
    assert published("fcdcn", "cluster", "mnist-test") == (0.489, 0.688)
    assert published("convidec", "pretrain", "fashion-mnist") == (0.589, 0.639)
    pairs = [published(recipe, phase, dataset) for recipe in BASES for phase in AUGMENT_IN for dataset in DATASETS]
    assert len(pairs) == 80
    # Added up from the printed table, ACC and NMI apart.
    assert [round(sum(column), 3) for column in zip(*pairs, strict=True)] == [66.014, 66.367]  # type: ignore[arg-type]


def test_what_the_paper_has_no_figures_of() -> None:
    """Other data sets and other recipes have none."""
    assert published("fcdec-da", "both", "digits") is None
    assert published("quick", "both", "usps") is None


def test_rows_by_name() -> None:
    """A row bears the paper's name, and says in which phase alone there is augmentation; a stranger's its own."""
    assert [title("fcdec", phase) for phase in AUGMENT_IN] == [
        "FcDEC",
        "FcDEC, augmented in clustering",
        "FcDEC, augmented in pretraining",
        "FcDEC-DA",
    ]
    assert title("convidec-da", "both") == "ConvIDEC-DA"
    assert [title("quick", phase) for phase in ("both", "neither")] == ["quick", "quick, augment_in neither"]  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", BASES)
def test_a_recipe_is_the_other_but_for_augmentation(registry: Registry, recipe: str) -> None:
    """What Table 2 sets on the plain recipe is what the `-da` recipe of Table 3 is."""
    assert compose(registry, recipe=recipe, settings=("train.augment_in=both",)) == compose(
        registry, recipe=f"{recipe}-da"
    )
