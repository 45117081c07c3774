"""The figures published in the DEC-DA paper, and the recipe behind each.

Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018 (PMLR 95:550-565). Table 2 is the
ablation study (augmentation in pretraining, in clustering, in both, in neither); Table 3 compares the five algorithms
with augmentation in both. The figures are ACC and NMI, means of five trials; the paper gives no standard deviations.
"""

from typing import Literal

Figures = tuple[float, float]
"""ACC and NMI, in [0, 1]."""
TABLES = ("table2", "table3")
"""The tables that can be reproduced."""
DATASETS = ("mnist", "mnist-test", "usps", "fashion-mnist")
"""The data sets of both tables, in their order."""
BASES = {"fcdec": "FcDEC", "convdec": "ConvDEC", "fcidec": "FcIDEC", "convidec": "ConvIDEC", "fcdcn": "FcDCN"}
"""The names in the paper of the recipes without augmentation."""
ALGORITHMS = {f"{recipe}-da": f"{name}-DA" for recipe, name in BASES.items()}
"""The names in the paper of the recipes with augmentation."""
AugmentIn = Literal["neither", "cluster", "pretrain", "both"]
"""The phases in which images are augmented."""
AUGMENT_IN: tuple[AugmentIn, ...] = ("neither", "cluster", "pretrain", "both")
"""The rows of an algorithm in Table 2, in their order."""

_TABLE_2: dict[str, dict[AugmentIn, str]] = {
    "fcdec": {
        "neither": ".916 .875  .795 .752  .763 .784  .572 .636",
        "cluster": ".981 .947  .940 .922  .830 .885  .564 .649",
        "pretrain": ".979 .945  .953 .900  .960 .904  .577 .646",
        "both": ".985 .959  .979 .945  .980 .945  .577 .652",
    },
    "convdec": {
        "neither": ".900 .888  .858 .845  .786 .822  .566 .614",
        "cluster": ".979 .948  .957 .927  .830 .902  .586 .641",
        "pretrain": ".955 .921  .924 .907  .965 .919  .582 .628",
        "both": ".985 .960  .983 .958  .987 .962  .586 .636",
    },
    "fcidec": {
        "neither": ".912 .872  .786 .728  .771 .799  .594 .634",
        "cluster": ".961 .941  .922 .907  .823 .884  .578 .651",
        "pretrain": ".976 .939  .952 .894  .967 .918  .576 .645",
        "both": ".986 .962  .981 .950  .984 .954  .580 .652",
    },
    "convidec": {
        "neither": ".901 .891  .860 .847  .792 .827  .570 .621",
        "cluster": ".977 .944  .948 .926  .823 .906  .593 .644",
        "pretrain": ".971 .939  .921 .906  .917 .902  .589 .639",
        "both": ".983 .955  .979 .950  .984 .955  .584 .638",
    },
    "fcdcn": {
        "neither": ".901 .849  .727 .687  .699 .722  .557 .638",
        "cluster": ".945 .937  .489 .688  .685 .771  .574 .644",
        "pretrain": ".973 .932  .921 .859  .951 .895  .575 .640",
        "both": ".986 .962  .961 .920  .969 .929  .580 .650",
    },
}


def published(recipe: str, augment_in: AugmentIn, dataset: str) -> Figures | None:
    """Look up the published figures of an algorithm on a data set.

    Args:
        recipe: the name of the recipe, `"fcdec"` or `"fcdec-da"`; both refer to the same algorithm.
        augment_in: the phases with augmentation; `"both"` for the figures in Table 3.
        dataset: the registered name of the data set.

    Returns:
        ACC and NMI, None if the paper has no such figures.

    Example:
        >>> published("fcdec-da", "both", "mnist")
        (0.985, 0.959)
    """
    rows = _TABLE_2.get(recipe.removesuffix("-da"))
    if rows is None or dataset not in DATASETS:
        return None
    figures = [float(figure) for figure in rows[augment_in].split()]
    acc, nmi = figures[2 * DATASETS.index(dataset) :][:2]
    return acc, nmi


def title(recipe: str, augment_in: AugmentIn) -> str:
    """Name a row of a table.

    Args:
        recipe: the name of the recipe, with or without `-da`.
        augment_in: the phases with augmentation.

    Returns:
        The name in the paper, such as `FcDEC`, `FcDEC-DA` or `FcDEC, augmented in pretraining`. Recipes that are not in
        the paper keep their own name.

    Example:
        >>> title("fcdec", "pretrain")
        'FcDEC, augmented in pretraining'
    """
    name = BASES.get(recipe.removesuffix("-da"), recipe)
    if name == recipe:
        return recipe if augment_in == "both" else f"{recipe}, augment_in {augment_in}"
    phase = {"cluster": "clustering", "pretrain": "pretraining"}.get(augment_in)
    return f"{name}, augmented in {phase}" if phase else f"{name}-DA" if augment_in == "both" else name
