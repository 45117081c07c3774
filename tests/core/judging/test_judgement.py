"""Runs on the same images are compared, and the best one is named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from decda.core.errors import ConfigError, DataError
from decda.core.files import Files
from decda.core.judging.judgement import Judgement, judge
from decda.core.judging.reasons import BETTER
from decda.core.parts.registry import Registry
from decda.core.runs import images as loading
from decda.core.runs.inference import load_run
from decda.core.runs.quality import judge_labels
from decda.core.training.metrics import ari
from tests.core.judging import relabelled

FILES = Files(offline=True)


@pytest.fixture(scope="module")
def judgement(registry: Registry, judged_runs: dict[str, Path]) -> Judgement:
    """That of the three runs."""
    return judge([load_run(path, registry) for path in judged_runs.values()], registry, FILES)


def test_the_best_run_is_named(judgement: Judgement, judged_runs: dict[str, Path]) -> None:
    """Clusters that keep together what looks alike win over those that do not."""
    assert judgement.best is not None
    assert judgement.best.folder == judged_runs["good"]
    assert judgement.position == 1
    assert judgement.reason.startswith(f"Use {judged_runs['good']}: ")
    values = {each.run.folder.name: each.criteria["neighbours"] or 0 for each in judgement.runs}
    assert values["good"] > values["mixed"] > 0.1 > values["bad"]


def test_every_criterion_tells_good_from_bad(judgement: Judgement) -> None:
    """Each criterion but the sizes prefers the good clusters to the bad ones, in the stated direction."""
    bad, good, _ = (each.criteria for each in judgement.runs)
    assert list(good) == list(BETTER)
    for name in set(BETTER) - {"smallest", "entropy"}:
        assert BETTER[name] * (good[name] or 0) > BETTER[name] * (bad[name] or 0), name


def test_agreement_is_with_the_other_runs(judgement: Judgement) -> None:
    """The agreement of a run is the mean adjusted Rand index with each of the others."""
    bad, good, mixed = (each.run.labels for each in judgement.runs)
    assert judgement.runs[1].criteria["agreement"] == pytest.approx((ari(good, bad) + ari(good, mixed)) / 2)


def test_as_json(judgement: Judgement, judged_runs: dict[str, Path]) -> None:
    """The mapping holds each run with its criteria, which one is best and why, and JSON takes it."""
    mapping = json.loads(json.dumps(judgement.as_mapping()))
    assert mapping["schema_version"] == 1
    assert (mapping["dataset"], mapping["n_samples"], mapping["criterion"]) == ("digits", 1797, "neighbours")
    assert mapping["best"] == str(judged_runs["good"])
    assert [run["run"] for run in mapping["runs"]] == [str(path) for path in judged_runs.values()]
    assert set(BETTER) < mapping["runs"][0].keys()
    provenance = json.loads((judged_runs["good"] / "provenance.json").read_text())
    assert mapping["data_sha256"] == provenance["data_sha256"]
    assert repr(judgement).startswith("<Judgement of 3 runs: Use ")


def test_metrics_hold_the_same_figures(judgement: Judgement, registry: Registry) -> None:
    """What a run says of itself in its own folder is what it is judged by beside others."""
    run, criteria = judgement.runs[1].run, judgement.runs[1].criteria
    x = loading.load_images(run.config, registry, FILES).x
    own = judge_labels(x, run.labels, run.confidence, run.config.n_clusters)
    assert own == {name: pytest.approx(criteria[name], abs=1e-6) for name in own}


def test_classes_play_no_part(
    registry: Registry, judged_runs: dict[str, Path], judgement: Judgement, tmp_path: Path
) -> None:
    """Whatever scores stand in the folders, the judgement is the same."""
    runs = []
    for name, path in judged_runs.items():
        copy = shutil.copytree(path, tmp_path / name)
        metrics = json.loads((copy / "metrics.json").read_text())
        (copy / "metrics.json").write_text(json.dumps({**metrics, "acc": 0.99 if name == "bad" else None}))
        runs.append(load_run(copy, registry))
    again = judge(runs, registry, FILES)
    assert again.position == judgement.position
    assert [each.criteria for each in again.runs] == [each.criteria for each in judgement.runs]
    assert again.as_mapping()["runs"][0]["acc"] == 0.99


def test_a_single_run_and_one_named_twice(registry: Registry, judged_runs: dict[str, Path]) -> None:
    """A single run is judged without agreement; one that is named twice does not agree with itself."""
    run = load_run(judged_runs["good"], registry)
    for runs in ([run], [run, load_run(judged_runs["good"], registry)]):
        judgement = judge(runs, registry, FILES)
        assert len(judgement.runs) == 1
        assert judgement.runs[0].criteria["agreement"] is None
        assert "the only run" in judgement.reason


def test_images_that_are_handed_over(registry: Registry, judged_runs: dict[str, Path], judgement: Judgement) -> None:
    """Images that are handed over need no data set, and must be those of the runs."""
    runs = [load_run(path, registry) for path in judged_runs.values()]
    x = loading.load_images(runs[0].config, registry, FILES).x
    given = judge(runs, Registry(), FILES, images=x)
    assert [each.criteria for each in given.runs] == [each.criteria for each in judgement.runs]
    for other in (x[:-1], torch.zeros_like(x)):
        with pytest.raises(DataError, match="not the images that .* was made of") as caught:
            judge(runs, registry, FILES, images=other)
        assert caught.value.exit_code == 3


def test_other_images_are_refused(registry: Registry, judged_runs: dict[str, Path], tmp_path: Path) -> None:
    """Runs on other images, or on more of them, are not compared; the message names both."""
    first = load_run(judged_runs["good"], registry)
    other = relabelled(judged_runs["good"], tmp_path / "other", None)
    provenance = json.loads((other / "provenance.json").read_text())
    (other / "provenance.json").write_text(json.dumps({**provenance, "data_sha256": "0" * 64}))
    with pytest.raises(DataError, match="Only runs on the same images can be compared: those of .*other"):
        judge([first, load_run(other, registry)], registry, FILES)
    (other / "provenance.json").write_text(json.dumps({**provenance, "n_samples": 5}))
    relabelled(judged_runs["good"], tmp_path / "few", np.arange(5))
    shutil.copy(tmp_path / "few" / "labels.csv", other / "labels.csv")
    with pytest.raises(DataError, match=r"other has 5 images, and .* has 1797"):
        judge([first, load_run(other, registry)], registry, FILES)


def test_a_data_set_that_is_not_there(registry: Registry, judged_runs: dict[str, Path]) -> None:
    """Without the data set of the run, the message says that its images cannot be loaded again."""
    run = load_run(judged_runs["good"], registry)
    poor = Registry(entry for entry in registry if entry.name != "digits")
    with pytest.raises(DataError, match="cannot be loaded again: Unknown dataset"):
        judge([run], poor, FILES)


def test_no_run_is_best_of_different_numbers_of_clusters(registry: Registry, judged_runs: dict[str, Path]) -> None:
    """`neighbours` does not compare across numbers of clusters, so none is named; every run is judged all the same."""
    good, bad = (load_run(judged_runs[name], registry) for name in ("good", "bad"))
    judgement = judge([replace(good, config=good.config.counted(11)), bad], registry, FILES)
    assert (judgement.best, judgement.as_mapping()["best"]) == (None, None)
    assert "they have different numbers of clusters (10, 11)" in judgement.reason
    assert all(each.criteria["neighbours"] is not None for each in judgement.runs)


def test_no_runs(registry: Registry) -> None:
    """Without runs there is nothing to judge."""
    with pytest.raises(ConfigError, match="name at least one run"):
        judge([], registry, FILES)


def test_empty_clusters_and_a_single_one(registry: Registry, judged_runs: dict[str, Path], tmp_path: Path) -> None:
    """A run that has lost all clusters but one is judged without warnings, and loses."""
    lost = relabelled(judged_runs["good"], tmp_path / "lost", np.zeros(1797, np.int64))
    judgement = judge([load_run(path, registry) for path in (lost, judged_runs["bad"])], registry, FILES)
    criteria = judgement.runs[0].criteria
    assert (criteria["neighbours"], criteria["smallest"], criteria["entropy"]) == (0, 0, 0)
    assert criteria["silhouette"] is criteria["davies_bouldin"] is criteria["calinski_harabasz"] is None
    assert judgement.position == 1
