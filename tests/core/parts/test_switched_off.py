"""Packages that are switched off by an environment variable."""

import pytest

from decda.core.config.composition import compose
from decda.core.errors import UnknownComponent
from decda.core.parts.discovery import DISABLE_VARIABLE, is_switched_off, switch_off_all
from decda.core.parts.registry import Registry
from tests.conftest import install


@pytest.mark.parametrize(
    ("said", "off"),
    [
        ("", set()),
        ("one", {"one"}),
        (" One , my_Pkg,,", {"one", "my-pkg"}),
        ("*", {"one", "my-pkg", "three"}),
        ("decda,one", {"one"}),
        ("on", set()),
    ],
)
def test_which_packages_are_off(said: str, off: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable has comma-separated names in any spelling, or a star for all; decda itself is never off."""
    monkeypatch.setenv(DISABLE_VARIABLE, said)
    assert {name for name in ("decda", "one", "my-pkg", "three") if is_switched_off(name)} == off


def test_their_parts_are_left_out(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and problems of such a package are omitted, and an error about a missing part mentions the package."""
    install(tmp_path, "one", "[decda.heads]\nidec = one:IDEC\n[decda.head]\nx = one:X\n")
    install(tmp_path, "two", "[decda.heads]\nother = two:Head\n")
    monkeypatch.setenv(DISABLE_VARIABLE, "one")
    registry = Registry.discover([str(tmp_path)])
    assert [entry.qualified for entry in registry] == ["two:other"]
    assert registry.problems == ()
    for name in ("idec", "one:idec"):
        with pytest.raises(UnknownComponent, match=r"one 1\.0 provides it but is switched off"):
            registry.find("head", name)
    with pytest.raises(UnknownComponent) as caught:
        registry.find("encoder", "idec")
    assert "switched off" not in str(caught.value)
    provenance = {"parts": {"head": {"name": "idec", "package": "one", "version": "1.0"}}}
    with pytest.raises(UnknownComponent) as caught:
        compose(registry, config={"head": "one:idec"}, provenance=provenance)
    assert "pip install" not in str(caught.value)  # it is installed already
    switch_off_all()
    assert not list(Registry.discover([str(tmp_path)]))
