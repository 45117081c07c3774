"""What `decda combine` shows."""

from typing import Any

import pytest

from decda.console.combining import print_combined

RUNS = [
    {"run": "seeds/seed-0", "n_clusters": 10, "ari_with_consensus": 0.91234, "acc": 0.8, "nmi": 0.7, "ari": 0.6},
    {"run": "[b]odd[/b]\n", "n_clusters": 9, "ari_with_consensus": 0.5, "acc": 0.55, "nmi": 0.7, "ari": 0.6},
]
COMBINED: dict[str, Any] = {
    "out": "both", "n_samples": 1797, "n_clusters": 10, "sizes": [1000, 797], "agreement": 0.95, "unanimous": 0.9,
    "acc": 0.8125, "nmi": 0.7, "ari": 0.65, "runs": RUNS, "warnings": [],
}  # fmt: skip


def test_a_consensus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each run and one for the consensus, sizes and agreement, on stderr; names are printed verbatim."""
    monkeypatch.setenv("COLUMNS", "120")
    print_combined(COMBINED)
    out, err = capsys.readouterr()
    assert out == ""
    rows = {cells[0]: cells[1:] for line in err.splitlines() if len(cells := line.strip("│ ").split()) > 1}
    assert rows["run"] == ["clusters", "ARI", "with", "consensus", "ACC", "NMI", "ARI"]
    assert rows["seeds/seed-0"] == ["10", "0.9123", "0.8000", "0.7000", "0.6000"]
    assert rows["[b]odd[/b]\\n"] == ["9", "0.5000", "0.5500", "0.7000", "0.6000"]
    assert rows["consensus"] == ["10", "0.8125", "0.7000", "0.6500"]
    for text in (
        "1797 images, 10 clusters, 2 runs", "images in each cluster: 1000, 797", "labels in both/labels.csv",
        "all runs agree on 90.0% of the images; 95.0% of all votes are for the chosen labels",
    ):  # fmt: skip
        assert text in err
    assert "Warning" not in err


def test_without_classes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scores the table has no columns for them; warnings stand below it, each in a line."""
    monkeypatch.setenv("COLUMNS", "120")
    unknown = dict.fromkeys(("acc", "nmi", "ari"))
    print_combined({**COMBINED, **unknown, "runs": [{**run, **unknown} for run in RUNS], "warnings": ["[a] is\nodd"]})
    err = capsys.readouterr().err
    assert "ACC" not in err
    assert "0.9123" in err
    assert "Warning: [a] is\\nodd" in err
    print_combined({**COMBINED, "n_clusters": 1})
    assert "1797 images, 1 cluster, 2 runs" in capsys.readouterr().err
