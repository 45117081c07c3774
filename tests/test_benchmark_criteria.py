"""The comparison of criteria with ACC."""

import importlib.util
import itertools
import json
import statistics
from pathlib import Path
from types import ModuleType

import pytest

from decda.core.judging.reasons import BETTER
from tests.core.judging import clusters_of_pixels, random_clusters, relabelled
from tests.test_benchmarks import SCRIPTS, run

ACC = [0.5, 0.9, 0.7, 0.8]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("benchmark_criteria", SCRIPTS / "criteria.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_correlations(script: ModuleType) -> None:
    """A criterion of the same order has 1, of the reverse order -1; runs without a value are left out."""
    assert script.correlation([1, 4, 2, 3], ACC) == pytest.approx(1)
    assert script.correlation([-1, -4, -2, -3], ACC) == pytest.approx(-1)
    assert script.correlation([1, None, 2, 3], ACC) == pytest.approx(1)
    for nothing in ([None] * 4, [1, 1, 1, 1], [1, None, None, None]):
        assert script.correlation(nothing, ACC) is None


def test_regrets(script: ModuleType) -> None:
    """The regret is what the chosen run lacks to the best one; without a choice, what an average one lacks."""
    assert script.regret([0, 1, 0, 0], ACC) == 0
    assert script.regret([1, 0, 0, 0], ACC) == pytest.approx(0.4)
    assert script.regret([None] * 4, ACC) == pytest.approx(0.9 - statistics.fmean(ACC))
    pairs = list(itertools.combinations(range(4), 2))
    expected = statistics.fmean(max(ACC[i], ACC[j]) - ACC[min(i, j)] for i, j in pairs)
    assert script.regret_of_few([4, 3, 2, 1], ACC, 2) == pytest.approx(expected)
    assert script.regret_of_few([4, 3, 2, 1], ACC, 9) == pytest.approx(0.4)


def test_many_runs_are_drawn_from(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are too many choices some are drawn, the same ones every time."""
    monkeypatch.setattr(script, "DRAWS", 10)
    acc = [n / 30 for n in range(30)]
    values = [-score for score in acc]
    assert script.regret_of_few(values, acc) == script.regret_of_few(values, acc) > 0
    assert script.regret_of_few(acc, acc) == 0


def test_it_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The script prints a row for each criterion."""
    run("criteria", "--quick", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert "### Criteria on digits: 3 runs, 10 clusters" in out
    assert all(f"| {name.replace('_', ' ')} " in out for name in (*BETTER, "any run"))


def test_json(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs are found at any depth, compared with the ACC in their folders, and left out where they have none."""
    for name, labels, acc in (("a", random_clusters(), 0.1), ("b/c", clusters_of_pixels(), 0.8), ("d", None, None)):
        metrics = relabelled(finished_run, tmp_path / name, labels) / "metrics.json"
        metrics.write_text(json.dumps({**json.loads(metrics.read_text()), "acc": acc}))
    run("criteria", str(tmp_path), str(tmp_path / "b"), "--json", monkeypatch=monkeypatch)
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["dataset"], result["n_runs"], result["few"]) == ("digits", 2, 2)
    assert result["acc"] == {"lowest": 0.1, "mean": 0.45, "highest": 0.8}
    assert set(result["criteria"]) == {*BETTER, "any run"}
    assert result["criteria"]["neighbours"] == {"spearman": pytest.approx(1), "regret": 0, "regret_of_few": 0}
    assert result["criteria"]["davies_bouldin"]["spearman"] == pytest.approx(1)  # lower is better
    assert result["criteria"]["any run"]["regret"] == pytest.approx(0.35)


def test_no_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without runs to compare it says so."""
    with pytest.raises(SystemExit, match="There are no two finished runs"):
        run("criteria", str(tmp_path), monkeypatch=monkeypatch)
    with pytest.raises(SystemExit, match="2"):
        run("criteria", monkeypatch=monkeypatch)
