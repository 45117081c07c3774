"""What a folder of several seeds is for."""

from pathlib import Path

import pytest

from decda.core.errors import DataError
from decda.core.studies.seeds_plan import read_seeds


def test_a_folder_says_what_it_is_for(tmp_path: Path) -> None:
    """Seeds, recipe and threads are read back; any other folder is none."""
    assert read_seeds(tmp_path) is None
    (tmp_path / "seeds.json").write_text('{"seeds": [2, 4], "recipe": "fcdec-da", "threads": 3}')
    assert read_seeds(tmp_path) == {"seeds": [2, 4], "recipe": "fcdec-da", "threads": 3}


@pytest.mark.parametrize(
    "content",
    ['{"seeds": []}', '{"seeds": [true]}', '{"seeds": [-1]}', '{"seeds": 1}', '{"seeds": [1], "threads": 0}', "{"],
)
def test_a_damaged_file(tmp_path: Path, content: str) -> None:
    """A file that does not say which seeds there are is an error that names it."""
    (tmp_path / "seeds.json").write_text(content)
    with pytest.raises(DataError, match=r"seeds\.json"):
        read_seeds(tmp_path)
