"""Trials of a study: what they share, how they are named, and when they are finished."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.config.train_config import TrainConfig
from decda.core.errors import DataError
from decda.core.parts.entries import Entry
from decda.core.parts.registry import Registry
from decda.core.studies import fingerprint
from decda.core.studies.cells import Cell
from decda.core.studies.trials import Trial, is_finished, is_pretrained, plan_trial, plan_trials, read_outcome
from decda.plugins.heads.dec import DEC

OUT = Path("study")


def config(registry: Registry, recipe: str, *settings: str, dataset: str = "digits", parts: Any = None) -> RunConfig:
    made = compose(registry, recipe=recipe, settings=settings, parts={"dataset": dataset, **(parts or {})})
    return made.resolved(1797, 10)


def trial(registry: Registry, recipe: str, *settings: str, seed: int = 0, out: Path = OUT, **words: Any) -> Trial:
    device, data = words.pop("device", "cpu"), words.pop("data", "d" * 64)
    made = config(registry, recipe, *settings, **words)
    cell = Cell(recipe, words.get("dataset", "digits"), made, 1797, data)
    return plan_trial(cell, seed, out, device, registry)


def test_trials_that_pretrain_alike_share_an_autoencoder(registry: Registry) -> None:
    """The pretraining does not depend on the head, on settings of clustering or on its augmentation."""
    shared = trial(registry, "fcdec-da").pretraining.folder
    assert shared.name.startswith("digits-fc-augmented-seed0-")
    for other in (
        trial(registry, "fcidec-da"),
        trial(registry, "fcdcn-da", "head.centers=refreshed"),
        trial(registry, "fcdec-da", "train.max_iter=7", "train.tol=0", "train.update_interval=3"),
        trial(registry, "fcdec-da", "train.augment_in=pretrain"),
    ):
        assert other.pretraining.folder == shared
    plain = trial(registry, "fcdec").pretraining.folder
    assert plain.name.startswith("digits-fc-plain-seed0-")
    # An augmentation that is used in clustering alone does not affect the pretraining.
    assert trial(registry, "fcdec", "train.augment_in=cluster", "augment.degrees=3").pretraining.folder == plain


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("train.pretrain_epochs=3",), {}),
        (("train.pretrain_learning_rate=0.5",), {}),
        (("train.batch_size=128",), {}),
        (("train.precision=bfloat16",), {}),
        (("train.augment_in=cluster",), {}),
        (("augment.degrees=3",), {}),
        (("encoder.embedding_dim=5",), {}),
        (("dataset.size=12",), {}),
        ((), {"seed": 1}),
        ((), {"device": "cuda"}),
        ((), {"data": "e" * 64}),
        ((), {"dataset": "usps"}),
    ],
)
def test_the_name_of_a_pretraining_covers_its_settings(registry: Registry, settings: Any, words: Any) -> None:
    """Everything that affects the weights of an autoencoder affects its name."""
    assert (
        trial(registry, "fcdec-da", *settings, **words).pretraining.folder
        != trial(registry, "fcdec-da").pretraining.folder
    )


def test_a_pretraining_does_not_cluster(registry: Registry) -> None:
    """The run of a pretraining ends with the initial centers."""
    planned = trial(registry, "fcdec-da", seed=4)
    assert planned.pretraining.config.train.max_iter == 0
    assert planned.pretraining.config.seed == 4
    assert planned.config == replace(config(registry, "fcdec-da"), seed=4)


def test_the_name_of_a_trial_covers_its_settings(registry: Registry) -> None:
    """Other settings, data or seeds have another folder; the same composition by another recipe has the same one."""
    one = trial(registry, "fcdec-da")
    assert one.folder.parent == OUT / "trials"
    assert one.folder.name.startswith("digits-fc-dec-both-seed0-")
    others = [
        trial(registry, "fcdec-da", "train.max_iter=7"),
        trial(registry, "fcdec-da", data="e" * 64),
        trial(registry, "fcdec-da", device="cuda"),
        trial(registry, "fcdec-da", seed=1),
        trial(registry, "fcdcn-da"),
        trial(registry, "fcdcn-da", "head.centers=refreshed"),
    ]
    assert len({one.folder, *(other.folder for other in others)}) == 7
    assert trial(registry, "fcdec", "train.augment_in=both").folder == one.folder


def write(folder: Path, **provenance: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text("")
    (folder / "provenance.json").write_text(json.dumps(provenance))


def test_what_counts_as_finished(registry: Registry, tmp_path: Path) -> None:
    """A trial is finished if its provenance says so, an autoencoder is pretrained if its weights exist."""
    planned = trial(registry, "fcdec-da", out=tmp_path)
    assert not is_finished(planned.folder)
    for status in ("started", "failed", "interrupted"):
        write(planned.folder, status=status)
        assert not is_finished(planned.folder)
    write(planned.folder, status="finished")
    assert is_finished(planned.folder)
    (planned.folder / "provenance.json").write_text("{half")
    assert not is_finished(planned.folder)
    assert not is_pretrained(planned.pretraining)
    write(planned.pretraining.folder, status="started")
    assert not is_pretrained(planned.pretraining)
    (planned.pretraining.folder / "autoencoder.safetensors").write_text("")
    assert is_pretrained(planned.pretraining)


def test_a_damaged_trial_is_an_error(registry: Registry, tmp_path: Path) -> None:
    """If the figures of a finished trial are missing, the error says what to do."""
    planned = trial(registry, "fcdec-da", out=tmp_path)
    write(planned.folder, status="finished")
    with pytest.raises(DataError, match=r"metrics\.json cannot be read"):
        read_outcome(planned, "paper")
    (planned.folder / "metrics.json").write_text("{}")
    with pytest.raises(DataError, match=r"damaged: 'acc'\. Remove it"):
        read_outcome(planned, "paper")


def test_the_name_of_a_trial_covers_versions(registry: Registry) -> None:
    """Another version of a part or of a loaded file makes another trial of the same configuration."""
    part = Entry("head", "mine", "extra", "1.0", "decda.plugins.heads.dec", "DEC")
    own, other = (Registry([*registry, replace(part, version=version)]) for version in ("1.0", "1.1"))
    names = [trial(each, "fcdec-da", parts={"head": "mine"}).folder.name for each in (own, other)]
    assert names[0] != names[1]
    loaded = Registry(registry)
    loaded.add("head", "mine", DEC)
    names = []
    for digest in ("one text", "one text", "another"):
        loaded.files = {Path("mine.py"): digest}
        names.append(trial(loaded, "fcdec-da", parts={"head": "local:mine"}).folder.name)
    assert names[0] == names[1] != names[2]


def test_spelled_out_defaults_do_not_change_the_name(registry: Registry) -> None:
    """A trial keeps its name if defaults are spelled out, such as the device and step mode that `auto` resolves to."""
    one = trial(registry, "fcdec-da")
    for settings in (("train.step=plain",), ("train.update_interval=30",), ("train.drop_last=true", "train.tol=0.001")):
        assert trial(registry, "fcdec-da", *settings).folder == one.folder
    named = replace(one.cell, config=replace(one.cell.config, device="cpu"))
    assert plan_trial(named, 0, OUT, "cpu", registry).folder == one.folder
    assert trial(registry, "fcdec-da", "train.step=compiled").folder != one.folder


def test_new_settings_orphan_no_study(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training setting that is added later, at its default, does not change the names of finished trials."""
    one = trial(registry, "fcdec-da")

    @dataclass(frozen=True, kw_only=True)
    class LaterConfig(TrainConfig):
        warm_up: int = 0

    monkeypatch.setattr(fingerprint, "TrainConfig", LaterConfig)
    values = {field.name: getattr(one.cell.config.train, field.name) for field in fields(TrainConfig)}
    later = replace(one.cell, config=replace(one.cell.config, train=LaterConfig(**values)))
    assert plan_trial(later, 0, OUT, "cpu", registry).folder == one.folder
    changed = replace(one.cell, config=replace(one.cell.config, train=LaterConfig(**values, warm_up=5)))
    assert plan_trial(changed, 0, OUT, "cpu", registry).folder != one.folder


def test_one_result_is_one_trial(registry: Registry) -> None:
    """Cells that differ in what decides nothing are one trial; other classes, or another decda, another."""
    one = trial(registry, "fcdec-da").cell
    same = replace(one, row="other", config=replace(one.config, train=replace(one.config.train, step="plain")))
    planned = plan_trials([one, same], [0, 1], OUT, registry)
    assert [(each.cell.row, each.seed) for each in planned] == [("fcdec-da", 0), ("fcdec-da", 1)]
    corrected = replace(one, classes_sha256="1" * 64)
    assert plan_trial(corrected, 0, OUT, "cpu", registry).folder != plan_trial(one, 0, OUT, "cpu", registry).folder


def test_another_decda_is_another_trial(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer is decda's, whoever's the parts are."""
    folder = trial(registry, "fcdec-da").folder
    monkeypatch.setattr(fingerprint, "__version__", "99")
    assert trial(registry, "fcdec-da").folder != folder
