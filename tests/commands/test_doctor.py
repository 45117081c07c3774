"""`decda doctor` from its users' perspective."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import decda as package
from tests.conftest import Cli, Here, install
from tests.test_contracts import DATA


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment says where data is."""
    for name in ("DECDA_DATA", "DECDA_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def test_all_is_in_place(here: Here, tmp_path: Path) -> None:
    """Every topic is a table on stdout, the verdict is on stderr, and nothing is made."""
    code, out, err = here("doctor")
    assert code == 0, out
    titles = [line for line in out.splitlines() if line[:1].isalpha()]
    assert titles == ["Software", "Extras", "Machine", "Parts", "Data", "Folders"]
    assert f"decda            {package.__version__}: this program" in out
    assert "All that decda needs is in place" in err
    assert not list(tmp_path.iterdir())


def test_json(here: Here) -> None:
    """With `--json` one object goes to stdout: whether decda works, and every check with what it means."""
    code, out, err = here("doctor", "--json", "--data-root", "data")
    assert code == 0, err
    result = json.loads(out)
    assert (result["schema_version"], result["sound"]) == (1, True)
    checks = {(check["topic"], check["name"]): check for check in result["checks"]}
    assert checks["software", "torch"]["status"] == "ok"
    assert checks["data", "data root"]["found"] == "data"
    assert all(check["found"] and check["means"] for check in result["checks"])


@pytest.mark.skipif(not (DATA / "usps").is_dir(), reason="needs the published files")
def test_data_that_is_there(here: Here) -> None:
    """Data sets below the data root are read and counted."""
    out = here("doctor", "--data-root", str(DATA))[1]
    assert f"usps             {DATA / 'usps'}: 9,298 images, complete and verified" in out


def test_data_that_is_damaged(here: Here, tmp_path: Path) -> None:
    """A damaged file is a warning that names it, and does not break decda."""
    (tmp_path / "data" / "usps").mkdir(parents=True)
    (tmp_path / "data" / "usps" / "zip.train.gz").write_bytes(b"\x1f\x8b\x08\x00 cut off")
    code, out, err = here("doctor", "--data-root", "data")
    assert code == 0
    assert "warning  usps" in out
    assert "zip.train.gz is not the published file" in " ".join(out.split())
    assert "To look at: usps." in err


def test_another_package_is_broken(decda: Cli, tmp_path: Path) -> None:
    """Parts of other packages that fail, exit or print are told, and cost neither the exit code nor stdout."""
    site = tmp_path / "site"
    install(site, "loud", "[decda.heads]\nloud = loud_parts:Head\n")
    (site / "loud_parts.py").write_text("import os\nos.write(1, b'noise')\nprint('noise')\nraise SystemExit(4)\n")
    done = decda("doctor", "--json", PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["head loud"]["status"] == "warning"
    assert "SystemExit: 4" in checks["head loud"]["means"]
    assert decda("doctor", PYTHONPATH=str(site)).stderr.endswith("what is absent, it does without.\n")


def test_a_library_is_broken(decda: Cli, tmp_path: Path) -> None:
    """Where PyTorch cannot be imported, that is said with what to do, and the exit code is 1; nothing else fails."""
    (tmp_path / "site" / "torch").mkdir(parents=True)
    (tmp_path / "site" / "torch" / "__init__.py").write_text("raise OSError('libgomp.so.1: no such file')")
    done = decda("doctor", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "it cannot be imported: OSError: libgomp.so.1: no such file" in text
    assert "--force-reinstall" in text
    assert "Broken, and needed: torch" in done.stderr
    assert "in place" not in done.stderr
    assert "Traceback" not in done.stderr


def test_mistakes(here: Here) -> None:
    """A data root that cannot be is a message with the exit code of data."""
    code, out, err = here("doctor", "--data-root", "~nobody-here/x")
    assert (code, out) == (3, "")
    assert "~nobody-here/x" in err
    assert "--data-root" in err


def test_help_imports_nothing_heavy() -> None:
    """`decda doctor --help` imports no PyTorch."""
    code = (
        "import sys\nfrom decda import cli\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', sorted({'torch', 'numpy', 'kornia', 'sklearn'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", code, "doctor", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"
