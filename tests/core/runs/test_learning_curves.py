"""The log of a run becomes its curves."""

from pathlib import Path

import pytest

from decda.core.errors import DataError
from decda.core.runs.learning_curves import read_curves

LOG = """\
phase,step,loss,terms,changed,clusters,acc,nmi,ari
pretrain,1,0.5,reconstruction=0.5,,,,,
pretrain,2,0.25,reconstruction=0.25,,,,,
cluster,0,,,1.000000,3,0.400000,0.300000,
cluster,30,0.7,kl=0.6 reconstruction=0.1,0.125000,3,0.500000,0.350000,
"""


def test_curves(tmp_path: Path) -> None:
    """Each phase has its loss by term; the first refresh, which has nothing before it, is no change of labels."""
    (tmp_path / "log.csv").write_text(LOG)
    found = read_curves(tmp_path)
    assert found.pretrain is not None
    assert found.pretrain.lines == {"reconstruction": ([1, 2], [0.5, 0.25])}
    assert found.pretrain.logarithmic
    assert found.cluster is not None
    assert found.cluster.lines == {"kl": ([30], [0.6]), "reconstruction": ([30], [0.1])}
    assert found.changed is not None
    assert found.changed.lines == {"changed": ([30], [0.125])}
    assert found.scores is not None
    assert found.scores.lines == {"ACC": ([0, 30], [0.4, 0.5]), "NMI": ([0, 30], [0.3, 0.35])}
    assert len(found.drawn()) == 4


def test_losses_below_zero_are_drawn_on_a_plain_scale(tmp_path: Path) -> None:
    """A logarithm of a loss that is 0 or negative does not exist."""
    (tmp_path / "log.csv").write_text(LOG.replace("=0.25", "=-0.25"))
    curve = read_curves(tmp_path).pretrain
    assert curve is not None
    assert not curve.logarithmic


def test_nothing_to_draw(tmp_path: Path) -> None:
    """A run that trained nothing has no curves."""
    (tmp_path / "log.csv").write_text(LOG.splitlines()[0] + "\n")
    assert read_curves(tmp_path).drawn() == []


@pytest.mark.parametrize("content", ["phase,step\npretrain,1\n", LOG.replace("=0.25", "=x"), "\0", None, b"\xff"])
def test_damaged_logs(tmp_path: Path, content: str | bytes | None) -> None:
    """A log that is missing, or makes no sense, is a clear error."""
    if content is not None:
        (tmp_path / "log.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match="log.csv cannot be read"):
        read_curves(tmp_path)
