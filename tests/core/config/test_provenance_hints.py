"""Hints about the origin of a missing part."""

import json
from pathlib import Path
from typing import Any

import pytest

from decda.core.config.composition import compose
from decda.core.config.provenance_hints import describe_origin
from decda.core.errors import UnknownComponent
from decda.core.parts.registry import Registry
from decda.core.runs.inference import load_run

PARTS = {"head": {"name": "mine", "package": "decda-extra", "version": "1.2"}}
BY_HAND = {"head": {"name": "mine", "package": "local", "version": ""}}


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ({"parts": PARTS}, "That run had it from decda-extra 1.2: python -m pip install decda-extra==1.2"),
        ({"parts": BY_HAND, "loaded": {"my_head.py": "0"}}, "from the file my_head.py: load that file again."),
        ({"parts": BY_HAND}, "from Python code, not from a file"),
    ],
)
def test_the_origin_is_named(provenance: dict[str, Any], words: str, tmp_path: Path, registry: Registry) -> None:
    """If a part of a run is missing, loading its folder or its config.toml names where the part came from."""
    package = provenance["parts"]["head"]["package"]
    (tmp_path / "config.toml").write_text(f'recipe = "quick"\nn_clusters = 3\n[head]\nname = "{package}:mine"\n')
    provenance = {**provenance, "status": "finished", "input_shape": [1, 8, 8]}
    (tmp_path / "provenance.json").write_text(json.dumps(provenance))
    for read in (lambda: load_run(tmp_path, registry), lambda: compose(registry, config=tmp_path / "config.toml")):
        with pytest.raises(UnknownComponent) as caught:
            read()
        assert f"Unknown head '{package}:mine'" in str(caught.value)
        assert words in str(caught.value)


@pytest.mark.parametrize("provenance", [{}, {"parts": []}, {"parts": {"head": {}}}, {"parts": {"head": None}}])
def test_an_unknown_origin_is_not_named(provenance: Any) -> None:
    """Damaged provenance, or that of another part, leads to no hint."""
    assert describe_origin("head", "decda-extra:mine", provenance) == ""
    assert describe_origin("head", "other:mine", {"parts": PARTS}) == ""
