"""Parts with odd names: lists, messages and folders stay whole."""

import json
from pathlib import Path

import pytest

from decda.core.config.composition import compose
from decda.core.errors import ConfigError, DecdaError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.core.runs.naming import printable
from tests.conftest import SHORT, Cli, Here, install

FILES = Files(offline=True)
ODD = ("-dash", "..", "../../up", "/etc/x", "🙂", "été", "con", "a" * 300, "x[bold]y[/nothing]", "%s{0}", "'\"", "\\n")
"""Names that are taken."""
INVISIBLE = ("a\x1b[31mb", "a\x00b", "a\u200bb", "a\u202eb")
"""Names that an installed package cannot give."""


def odd_site(site: Path) -> dict[str, str]:
    """A package whose parts have odd names, and the environment in which it is found."""
    lines = "".join(f"{name} = odd_parts:Odd\n" for name in (*ODD, *INVISIBLE))
    install(site, "odd", f"[decda.heads]\n{lines}a b = odd_parts:Odd\n[decda.recipes]\n{lines}")
    (site / "odd_parts.py").write_text('class Odd:\n    """Odd."""\n')
    return {"PYTHONPATH": str(site), "COLUMNS": "1000"}


def test_odd_names_are_listed(decda: Cli, tmp_path: Path) -> None:
    """Each part is listed under its name; those with names that cannot be seen or typed are broken."""
    environment = odd_site(tmp_path / "site")
    listed = json.loads(decda("list-components", "head", "--json", **environment).stdout)["components"]
    status = {row["name"]: row["status"] for row in listed if row["package"] == "odd"}
    assert status == {**dict.fromkeys(ODD, "ok"), **dict.fromkeys((*INVISIBLE, "a b"), "broken")}
    table = decda("list-components", "head", **environment)
    assert (table.returncode, table.stderr) == (0, "")
    lines = table.stdout.splitlines()
    for name in (*ODD, *INVISIBLE, "a b"):
        assert any(line.startswith(f"head  {printable(name)[:60]} ") and "odd 1.0" in line for line in lines), name
    assert printable(table.stdout) == table.stdout.replace("\n", "\\n")


@pytest.mark.parametrize("name", [*ODD[1:], *INVISIBLE[2:], "a\nb", "idecc"])
def test_odd_names_in_messages(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A message that mentions an odd name, or lists all names, is one line without control characters."""
    odd_site(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    code, _, err = here("train", "--head", name)
    assert code == (5 if name in (*ODD, *INVISIBLE) else 2), err
    assert len(err.splitlines()) == 1
    assert err.rstrip("\n").isprintable()


@pytest.mark.parametrize("name", ODD)
def test_odd_names_of_folders(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The run of a recipe and a data set with odd names is in a folder below `runs`, and nowhere else."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    own = Registry(registry)
    own.add("dataset", name, registry.load(registry.find("dataset", "digits")).factory)
    own.add("recipe", name, {"dataset": name, "encoder": "fc", "head": "idec", "augment": "none"})
    finished = run(compose(own, recipe=name, settings=SHORT), own, FILES)
    assert finished.folder.parent == Path("runs")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert [path.name for path in Path().iterdir()] == ["runs"]
    assert (finished.folder / "model.safetensors").is_file()
    assert compose(own, config=finished.folder / "config.toml").dataset.short == name


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "a\tb", "a:b", *INVISIBLE, "a\udcffb"])
def test_names_that_no_part_can_have(registry: Registry, name: str) -> None:
    """A name with blanks, colons, or characters that cannot be seen is refused in one line."""
    with pytest.raises(ConfigError, match="A part cannot have the name") as caught:
        Registry(registry).add("head", name, object)
    assert str(caught.value).isprintable()


def test_odd_names_are_not_found(registry: Registry) -> None:
    """Looking for a name that no part has is an error of one line, however odd it is."""
    for name in (*ODD, *INVISIBLE, "a\udcffb", "a\nb"):
        with pytest.raises(DecdaError) as caught:
            registry.find("head", name)
        assert str(caught.value).isprintable()
