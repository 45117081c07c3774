"""Runs and studies are compared by what their folders hold."""

import json
import shutil
from pathlib import Path

import pytest

from decda.core.errors import ConfigError, DataError
from decda.core.report.page import Page
from decda.core.studies.comparing import as_markdown, as_tables, describe, figure_text, warn
from decda.core.studies.comparison import compare
from decda.core.studies.comparison_page import page_of


def change(folder: Path, **metrics: object) -> None:
    values = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**values, **metrics}))


def relabel(folder: Path, step: int) -> None:
    """Give one image after another the next cluster, `step` images at a time."""
    header, *rows = (folder / "labels.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    moved = [f"{r[0]},{r[1]},{i // step % 10},{r[3]}" for i, r in enumerate(cells)]
    (folder / "labels.csv").write_text("\n".join([header, *moved]) + "\n")


@pytest.fixture
def study(finished_run: Path, tmp_path: Path) -> Path:
    """Two seeds with labels that have nothing in common, and with other figures."""
    for seed in (0, 1):
        folder = tmp_path / "study" / f"seed-{seed}"
        shutil.copytree(finished_run, folder)
        provenance = json.loads((folder / "provenance.json").read_text())
        (folder / "provenance.json").write_text(json.dumps({**provenance, "seed": seed}))
        change(folder, acc=0.5 + 0.2 * seed)
        relabel(folder, 1 + 6 * seed)
    (tmp_path / "study" / "seeds.json").write_text(json.dumps({"seeds": [0, 1], "recipe": "quick"}))
    return tmp_path / "study"


def test_a_run_agrees_with_itself(finished_run: Path, tmp_path: Path) -> None:
    """Two folders of one run have an adjusted Rand index of 1, equal figures, and no setting in which they differ."""
    shutil.copytree(finished_run, tmp_path / "copy")
    found = compare([finished_run, tmp_path / "copy"])
    assert found.same_images
    assert found.agreement[0][1] == found.agreement[1][0] == 1.0
    assert found.agreement[0][0] is None
    assert found.settings == {}
    assert found.groups[0].runs[0].figures == found.groups[1].runs[0].figures


def test_a_study_counts_as_one(study: Path, finished_run: Path) -> None:
    """Beside a run, the seeds of a study are one group with mean and deviation, and agree or not among themselves."""
    found = compare([study, finished_run])
    assert [len(group.runs) for group in found.groups] == [2, 1]
    mean, deviation = found.groups[0].mean("acc")
    assert (mean, deviation) == (pytest.approx(0.6), pytest.approx(0.2 / 2**0.5))
    assert figure_text(found.groups[0], "acc") == "0.600 ±0.141"
    within = found.agreement[0][0]
    assert within is not None
    assert within < 0.2
    assert found.agreement[0][1] is not None
    assert any("disagree" in sentence for sentence in warn(found))


def test_a_study_alone_is_compared_seed_by_seed(study: Path) -> None:
    """A single study has its seeds side by side; those without a result are told."""
    found = compare([study])
    assert [group.name for group in found.groups] == ["seed 0", "seed 1"]
    shutil.rmtree(study / "seed-1")
    assert [group.unfinished for group in compare([study, study / "seed-0"]).groups] == [1, 0]


def test_settings_that_differ(finished_run: Path, tmp_path: Path) -> None:
    """A setting stands there if it differs, also if one run does not have it; seed and device are none."""
    shutil.copytree(finished_run, tmp_path / "other")
    text = (tmp_path / "other" / "config.toml").read_text()
    text = text.replace("seed = 0", "seed = 9").replace("max_iter = 4", "max_iter = 40")
    (tmp_path / "other" / "config.toml").write_text(text.replace('"decda:affine"', '"decda:shift"'))
    found = compare([finished_run, tmp_path / "other"]).settings
    assert found["train.max_iter"] == ["4", "40"]
    assert found["augment"] == ["affine", "shift"]
    assert set(found) == {"train.max_iter", "augment"}


def test_other_images(finished_run: Path, tmp_path: Path) -> None:
    """Runs on different images are compared by their settings alone, and it is said."""
    shutil.copytree(finished_run, tmp_path / "other")
    provenance = json.loads((tmp_path / "other" / "provenance.json").read_text())
    (tmp_path / "other" / "provenance.json").write_text(json.dumps({**provenance, "data_sha256": "0"}))
    found = compare([finished_run, tmp_path / "other"])
    assert not found.same_images
    assert found.agreement == [[None, None], [None, None]]
    assert "different images" in describe(found)[-1]
    assert as_tables(found).agreement == []


def test_words_tables_and_page(study: Path, finished_run: Path) -> None:
    """The best is named with and without classes; tables and page show each group, and only known figures."""
    found = compare([study / "seed-0", study / "seed-1"])
    assert f"{study / 'seed-1'} is the most accurate (ACC 0.700)" in " ".join(describe(found))
    tables = as_tables(found, ["acc", "iterations"])
    assert tables.figures[0] == ["run", "ACC", "iterations"]
    assert [row[1] for row in tables.figures[1:]] == ["0.500", "0.700"]
    text = as_markdown(tables)
    assert text.count("| --- |") >= 2
    page = page_of(found, "two seeds")
    assert isinstance(page, Page)
    assert "0.700" in page.html
    assert "<h1>two seeds</h1>" in page.html
    for seed in (0, 1):
        change(study / f"seed-{seed}", acc=None, nmi=None, ari=None)
    without = compare([study / "seed-0", study / "seed-1"])
    assert "acc" not in without.shown()
    assert "most accurate" not in " ".join(describe(without))


def test_nothing_to_compare(tmp_path: Path, begun_run: Path) -> None:
    """No path, no run, an unfinished run and a damaged one are clear errors."""
    with pytest.raises(ConfigError, match="name at least one run"):
        compare([])
    with pytest.raises(DataError, match="is not the folder of a run"):
        compare([tmp_path])
    with pytest.raises(DataError, match="has not finished"):
        compare([begun_run])


@pytest.mark.parametrize("content", ['{"judgement": 3}', "[]", "x"])
def test_damaged_figures(finished_run: Path, tmp_path: Path, content: str) -> None:
    """Figures that make no sense are an error that names the file."""
    shutil.copytree(finished_run, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text(content)
    with pytest.raises(DataError, match=r"metrics\.json"):
        compare([tmp_path / "run"])
