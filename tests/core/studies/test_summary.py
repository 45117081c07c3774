"""Trials are summarised cell by cell."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from decda.core.studies.results import COLUMNS, Results
from decda.core.studies.summary import Summary, as_mapping, as_markdown, figures_text, share_text, shared, summarise

FIGURES = {("FcDEC-DA", 0): (0.98, 0.94), ("FcDEC-DA", 1): (0.984, 0.95), ("FcDCN-DA", 0): (0.97, 0.93)}


def trial(row: str, seed: int, encoder: str = "fc") -> Any:
    return SimpleNamespace(
        cell=SimpleNamespace(row=row, column="usps", published=(0.987, 0.94) if row == "FcDEC-DA" else None),
        seed=seed,
        folder=Path(f"{row}-{seed}"),
        pretraining=SimpleNamespace(name=f"usps {encoder} augmented", folder=Path(f"{encoder}-{seed}")),
    )


TRIALS = [
    trial(row, seed, encoder)
    for seed in (0, 1)
    for row, encoder in (("FcDEC-DA", "fc"), ("ConvDEC-DA", "conv"), ("FcDCN-DA", "fc"))
]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """The results of three of six trials."""
    results = Results(tmp_path / "results.csv")
    for (row, seed), (acc, nmi) in FIGURES.items():
        figures = {"acc": acc, "nmi": nmi, "ari": 0.5}
        results.add(dict.fromkeys(COLUMNS, "") | figures | {"run": f"{row}-{seed}"})
    return results


def test_means_and_deviations(results: Results) -> None:
    """Only finished trials count, and the deviation is the sample standard deviation."""
    whole, none, single = summarise(TRIALS, results)
    assert (whole.row, whole.column, whole.planned, whole.finished) == ("FcDEC-DA", "usps", 2, 2)
    assert whole.mean == pytest.approx({"acc": 0.982, "nmi": 0.945, "ari": 0.5})
    assert whole.std == pytest.approx({"acc": 0.004 / 2**0.5, "nmi": 0.01 / 2**0.5, "ari": 0})
    assert whole.difference == pytest.approx((-0.005, 0.005))
    assert (none.finished, none.mean["acc"], none.difference) == (0, None, None)
    assert (single.finished, single.mean["acc"], single.std["acc"], single.difference) == (1, 0.97, None, None)


def test_a_cell_as_json(results: Results) -> None:
    """Published figures and the difference from them accompany the mean; unknown values are null."""
    whole, none, _ = (as_mapping(summary) for summary in summarise(TRIALS, results))
    assert whole["published"] == {"acc": 0.987, "nmi": 0.94}
    assert whole["difference"] == pytest.approx({"acc": -0.005, "nmi": 0.005})
    assert none["mean"]["acc"] is none["difference"] is none["published"] is None


def test_the_table_in_markdown(results: Results) -> None:
    """There is a row per composition; cells not yet run are marked; shared pretrainings are listed."""
    text = as_markdown(TRIALS, results, "paper")
    assert "Settings: paper. Seeds: 0, 1." in text
    lines = text.splitlines()
    assert "| FcDEC-DA | .982 ±.003  .945 ±.007 (2)<br>.987 .940 |" in lines
    assert "| ConvDEC-DA | not run |" in lines
    assert "| FcDCN-DA | .970 .930 (1) |" in lines
    assert lines[-1] == "- usps fc augmented: FcDEC-DA, FcDCN-DA"


def test_nothing_is_shared(results: Results) -> None:
    """An autoencoder that only one composition uses is not listed as shared."""
    assert shared([trial("ConvDEC-DA", seed, "conv") for seed in (0, 1)]) == []
    assert "Pretrained once" not in as_markdown(TRIALS[:2], results, "paper")


def test_autoencoders_of_the_same_name_may_differ() -> None:
    """Two autoencoders of the same name that were pretrained differently are not listed as shared."""
    other = trial("mine", 0)
    other.pretraining.folder = Path("elsewhere")
    assert shared([trial("FcDEC-DA", 0), other]) == []
    assert shared([*TRIALS, other]) == [("usps fc augmented", ["FcDEC-DA", "FcDCN-DA"])]


def test_a_table_of_several_versions_says_so(results: Results) -> None:
    """The table mentions if its means mix trials of several versions or devices."""
    assert "made with several" not in as_markdown(TRIALS, results, "paper")
    results.rows["FcDEC-DA-1"] = {**results.rows["FcDEC-DA-1"], "versions": "decda=9", "device": "cpu"}
    results.rows["FcDEC-DA-0"] = {**results.rows["FcDEC-DA-0"], "versions": "decda=8", "device": "cpu"}
    text = as_markdown(TRIALS[::3], results, "paper")
    assert "made with several versions: decda=8; decda=9." in text
    assert "devices" not in text


@pytest.mark.parametrize(("value", "text"), [(0.9874, ".987"), (1.0, "1.000"), (0.0, ".000"), (0.0996, ".100")])
def test_shares_as_the_paper_prints_them(value: float, text: str) -> None:
    """Shares are printed with three decimals and without a leading zero."""
    assert share_text(value) == text


def test_a_single_trial_has_no_deviation() -> None:
    """The figures of a single trial are printed like those of the paper, without a deviation."""
    none: dict[str, float | None] = {"acc": None, "nmi": None, "ari": None}
    single = Summary("FcDEC-DA", "usps", 5, 1, {"acc": 0.98, "nmi": 0.94, "ari": 0.5}, none, None)
    assert figures_text(single) == ".980 .940"
