import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from decda.core.errors import (
    AmbiguousComponent,
    BrokenComponent,
    ConfigError,
    ContractViolation,
    OutOfMemory,
    UnknownComponent,
)
from decda.core.parts.entries import API_VERSION, GROUPS, Entry, Problem
from decda.core.parts.registry import Registry
from decda.plugins.augmentations.shift import RandomShift

HEAD = '''
from decda.plugins.heads.dec import DEC

class IDEC(DEC):
    """A head."""
    def __init__(self, n_clusters, embedding_dim, *, gamma: float = 0.1): ...
'''


def entry(name: str, package: str = "decda", kind: str = "head", version: str = "1.0", **more: Any) -> Entry:
    return Entry(kind, name, package, version, more.pop("module", "nowhere"), more.pop("attribute", "X"), **more)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path` to install plugins in; modules imported from it are removed afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def install(
    site: Path, code: str, target: str = "IDEC", package: str = "plug", kind: str = "head", name: str = "idec"
) -> Registry:
    """Install a plugin with one module and one part, and return the registry of the folder."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(f"[{GROUPS[kind]}]\n{name} = {package}_code:{target}\n")
    (site / f"{package}_code.py").write_text(code)
    return Registry.discover([str(site)])


TWINS = [entry("idec", "decda", version="0.3.0"), entry("idec", "decda-extra"), entry("dec"), entry("dcn")]


def test_entries_are_sorted_and_names_unique() -> None:
    """A registry lists its parts in the same order, however they were found."""
    registry = Registry(reversed(TWINS))
    assert list(registry) == sorted(TWINS)
    assert registry.names("head") == ["dcn", "dec", "idec"]
    assert registry.names("encoder") == []


def test_problems_are_kept() -> None:
    """Problems found by discovery are kept, and mentioned if a name is not found."""
    problem = Problem("decda-x", "1", "entry_points.txt", "broken")
    registry = Registry(TWINS, [problem])
    assert registry.problems == (problem,)
    with pytest.raises(UnknownComponent, match=r"Unreadable packages: decda-x\."):
        registry.find("head", "other")


def test_an_unknown_name_gets_suggestions() -> None:
    """The error about an unknown name suggests the nearest name, all names and the command that lists them."""
    with pytest.raises(UnknownComponent) as caught:
        Registry(TWINS).find("head", "idecc")
    assert str(caught.value) == (
        "Unknown head 'idecc'. Did you mean 'idec'? Registered heads: dcn, dec, idec. See: decda list-components head"
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["", ":", "decda:", ":dec", "decda:idecc", "decda-extra:dec", "idec:decda", "a:b:c"])
def test_unknown_and_malformed_qualified_names(name: str) -> None:
    """An unknown or malformed name never resolves to another part; after a colon, the error lists qualified names."""
    listing = "decda:dcn, decda:dec, decda:idec, decda-extra:idec" if ":" in name else "dcn, dec, idec"
    with pytest.raises(UnknownComponent, match=f"Registered heads: {listing}"):
        Registry(TWINS).find("head", name)


def test_an_empty_registry_says_what_is_missing() -> None:
    """If there are no parts at all, the error suggests that decda itself is not installed."""
    with pytest.raises(UnknownComponent, match=r"Registered encoders: none\. Is decda itself installed"):
        Registry().find("encoder", "conv")


@pytest.mark.parametrize("kind", ["heads", "", "model"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    """An unknown kind is an error that lists the kinds, for finding as well as for adding."""
    with pytest.raises(ConfigError, match="Kinds: encoder, head, augment, dataset, start, recipe"):
        Registry(TWINS).find(kind, "dec")
    with pytest.raises(ConfigError, match="Unknown kind"):
        Registry().add(kind, "dec", object)


def test_a_bare_name_of_two_packages_is_refused() -> None:
    """If two packages provide a name, the error names both, and how to choose one."""
    with pytest.raises(AmbiguousComponent) as caught:
        Registry(TWINS).find("head", "idec")
    assert str(caught.value) == (
        "Both decda 0.3.0 and decda-extra 1.0 provide the head 'idec'. Pick one: decda:idec or decda-extra:idec."
    )


def test_three_packages_are_all_named() -> None:
    """If more than two packages provide a name, the error names them all."""
    with pytest.raises(AmbiguousComponent, match=r"^decda 0\.3\.0, decda-extra 1\.0 and zzz 1\.0 provide"):
        Registry([*TWINS, entry("idec", "zzz")]).find("head", "idec")


def test_parts_of_different_kinds_may_share_a_name() -> None:
    """The same name for parts of different kinds is not ambiguous."""
    registry = Registry([entry("dec"), entry("dec", "other", kind="recipe")])
    assert registry.find("head", "dec").package == "decda"


@pytest.mark.parametrize("name", ["decda-extra:idec", "Decda_Extra:idec", "decda.extra:idec"])
def test_a_qualified_name_is_unambiguous(name: str) -> None:
    """`package:name` selects one of several, whatever the spelling of the package."""
    assert Registry(TWINS).find("head", name) == TWINS[1]


def test_a_preferred_package_comes_first() -> None:
    """A bare name refers to the part of the preferred package if there is one, and else is resolved as usual."""
    registry = Registry(TWINS)
    assert registry.find("head", "idec", prefer="decda") == TWINS[0]
    assert registry.find("head", "idec", prefer="Decda_Extra") == TWINS[1]
    assert registry.find("head", "dec", prefer="decda-extra") == TWINS[2]
    assert registry.find("head", "decda:idec", prefer="decda-extra") == TWINS[0]
    with pytest.raises(AmbiguousComponent):
        registry.find("head", "idec", prefer="stranger")


def test_a_part_is_loaded_once(site: Path) -> None:
    """A loaded part has a factory and parameters, and is imported only once."""
    registry = install(site, HEAD + "print('hello')\n")
    component = registry.load(registry.find("head", "idec"))
    assert component.factory is sys.modules["plug_code"].IDEC
    assert [str(parameter) for parameter in component.parameters] == ["gamma: float = 0.1"]
    assert component.entry == registry.find("head", "plug:idec")
    assert registry.load(component.entry) is component


def test_nested_objects_are_loaded(site: Path) -> None:
    """A dotted path may refer to an object within a class."""
    registry = install(site, "class A:\n    @staticmethod\n    def make(n_clusters, embedding_dim): ...\n", "A.make")
    assert registry.load(registry.find("head", "idec")).factory is sys.modules["plug_code"].A.make


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(3)", "it exits the program when it is imported (SystemExit: 3)"),
        ("import sys\nsys.exit('bye')", "it exits the program when it is imported (SystemExit: bye)"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("class Mute(Exception):\n    def __str__(self): 1 / 0\nraise Mute", "Mute: (its message cannot be read)"),
        ("class Odd(BaseException): ...\nraise Odd('far out')", "Odd: far out"),
        ("import not_there.at_all", "it needs the module 'not_there', which is not installed"),
        ("from os import not_there", "ImportError: cannot import name 'not_there'"),
        ("X = 1", "AttributeError: module 'plug_code' has no attribute 'IDEC'"),
        ("def x(:", "SyntaxError: invalid syntax"),
        ("IDEC = 3", "it must be a class or a function, but is of type 'int'"),
        ("from decda.core.errors import ConfigError\nraise ConfigError('mine')", "ConfigError: mine"),
        (HEAD + "    decda_api = 4", f"version 4 of decda's contract, but this decda has version {API_VERSION}"),
        (HEAD + "decda_api = 99", f"version 99 of decda's contract, but this decda has version {API_VERSION}"),
        (HEAD + "decda_api = '1'", "its decda_api is '1'"),
        (HEAD + "decda_api = True", "its decda_api is True"),
        (HEAD + "decda_api = 0", "its decda_api is 0"),
        ("class M(type):\n    @property\n    def decda_api(self): 1 / 0\nclass IDEC(metaclass=M): ...", "ZeroDivision"),
        ("class A:\n    __call__ = __signature__ = property(lambda self: 1 / 0)\nIDEC = A()", "ZeroDivisionError"),
        ("IDEC = None", "is of type 'NoneType'"),
    ],
)
def test_a_broken_part_does_not_affect_others(site: Path, code: str, reason: str) -> None:
    """Any failure of a part becomes an error with kind, name, package, version and reason; others still load."""
    registry = install(site, code)
    registry.add("head", "fine", lambda n_clusters, embedding_dim: None)
    with pytest.raises(BrokenComponent) as caught:
        registry.load(registry.find("head", "idec"))
    assert str(caught.value).startswith("The head 'idec' of plug 1.0 cannot be used: ")
    assert reason in str(caught.value)
    assert caught.value.exit_code == 5
    assert registry.load(registry.find("head", "fine")).parameters == ()


def test_the_cause_is_kept(site: Path) -> None:
    """The original exception is kept as the cause, for authors who debug their plugin."""
    registry = install(site, "1 / 0")
    with pytest.raises(BrokenComponent) as caught:
        registry.load(registry.find("head", "idec"))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_part_that_needs_too_much_memory_is_not_broken(site: Path) -> None:
    """A part that asks for 4 TB as it is imported is out of memory, exit code 1."""
    registry = install(site, "bytearray(2**42)")
    with pytest.raises(OutOfMemory, match=r"Out of memory: the head 'idec' of plug 1\.0 cannot be imported") as caught:
        registry.load(registry.find("head", "idec"))
    assert caught.value.exit_code == 1


def test_a_missing_module_of_its_own_says_reinstall(site: Path) -> None:
    """If the plugin's own module is missing, the error says to reinstall the plugin, not a dependency."""
    registry = install(site, "")
    (site / "plug_code.py").unlink()
    with pytest.raises(BrokenComponent, match=r"there is no module 'plug_code'; reinstall plug\."):
        registry.load(registry.find("head", "idec"))


def test_an_interrupt_is_not_blamed_on_the_part(site: Path) -> None:
    """Ctrl-C during the import of a part interrupts the program."""
    registry = install(site, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        registry.load(registry.find("head", "idec"))


def test_output_of_a_part_does_not_reach_stdout(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Output of a plugin during its import goes to stderr, because `--json` promises a single object on stdout."""
    registry = install(site, HEAD + "print('welcome')")
    registry.load(registry.find("head", "idec"))
    assert capsys.readouterr() == ("", "welcome\n")


def test_a_part_with_a_problem_is_not_imported(site: Path) -> None:
    """A part with damaged metadata is refused for that reason, without running its code."""
    registry = install(site, "import plug_never", "IDEC()")
    with pytest.raises(BrokenComponent, match="is not a path to an object"):
        registry.load(registry.find("head", "idec"))
    assert "plug_code" not in sys.modules


@pytest.mark.parametrize("code", [HEAD + "decda_api = 2", HEAD + "    decda_api = 2\ndecda_api = 4"])
def test_the_current_version_of_the_contracts_is_accepted(site: Path, code: str) -> None:
    """A part that states the current version is loaded; its own statement has precedence over that of its module."""
    registry = install(site, code)
    assert registry.load(registry.find("head", "idec")).factory.__name__ == "IDEC"


def test_unusual_docstrings(registry: Registry) -> None:
    """A docstring that is not a string leads to an empty summary; a partial has the summary of its function."""

    class Odd:
        __doc__ = 5  # type: ignore[assignment]

    own = Registry(registry)
    assert own.summary(own.add("augment", "odd", Odd)) == ""
    assert own.summary(own.add("augment", "part", partial(RandomShift, translate=0.2))).startswith("Random shift")


def test_a_package_states_the_version_for_its_modules(site: Path) -> None:
    """If a module states no version, that of the nearest enclosing package counts."""
    inner = site / "plug_outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "code.py").write_text(HEAD)
    (site / "plug_outer" / "__init__.py").write_text("decda_api = 4\n")
    (inner / "__init__.py").write_text("")
    install(site, "", "nothing")
    (site / "plug-1.0.dist-info" / "entry_points.txt").write_text("[decda.heads]\nidec = plug_outer.inner.code:IDEC\n")
    registry = Registry.discover([str(site)])
    with pytest.raises(BrokenComponent, match="version 4 of decda's contract"):
        registry.load(registry.find("head", "idec"))
    (inner / "__init__.py").write_text("decda_api = 2\n")
    for name in [name for name in sys.modules if name.startswith("plug_outer")]:
        del sys.modules[name]
    registry = Registry.discover([str(site)])
    assert registry.load(registry.find("head", "idec")).factory.__name__ == "IDEC"


def test_a_signature_that_breaks_the_contract_names_the_part(site: Path) -> None:
    """A signature that users could not configure is an error that names the part."""
    registry = install(site, "def IDEC(n_clusters, embedding_dim, **more): ...")
    with pytest.raises(ContractViolation, match=r"The head 'idec' of plug 1\.0 breaks its contract: .*\*\*more"):
        registry.load(registry.find("head", "idec"))


@pytest.mark.parametrize("code", ["IDEC = {'head': 'idec'}", "def IDEC(*, odd=1):\n    return {}"])
def test_recipes_are_data_or_functions(site: Path, code: str) -> None:
    """A recipe is a mapping or a function that returns one, and has no parameters."""
    registry = install(site, code, kind="recipe")
    component = registry.load(registry.find("recipe", "idec"))
    assert component.factory is sys.modules["plug_code"].IDEC
    assert component.parameters == ()


def test_a_recipe_of_another_type_is_broken(site: Path) -> None:
    """A recipe that is a string is refused."""
    registry = install(site, "IDEC = 'head = idec'", kind="recipe")
    with pytest.raises(BrokenComponent, match="it must be a mapping or a function, but is of type 'str'"):
        registry.load(registry.find("recipe", "idec"))


def test_parts_can_be_added_in_python() -> None:
    """A class defined in a notebook is found, listed and loaded like any other; adding it again replaces it."""

    def first(n_clusters, embedding_dim): ...

    def second(n_clusters, embedding_dim):
        """Mine, better.

        More.
        """

    registry = Registry(TWINS)
    registry.load(registry.add("head", "mine", first))
    registry.add("head", "mine", second)
    found = registry.find("head", "mine")
    assert (found.qualified, found.version) == ("local:mine", "")
    assert registry.load(found).factory is second
    assert registry.summary(found) == "Mine, better."
    assert registry.status(found) == ("ok", None)
    assert registry.names("head") == ["dcn", "dec", "idec", "mine"]


def test_a_recipe_can_be_added_again() -> None:
    """A notebook cell that adds a recipe may be run again."""
    registry = Registry()
    registry.load(registry.add("recipe", "mine", {"head": "dec"}))
    registry.add("recipe", "mine", {"head": "idec"})
    found = registry.find("recipe", "mine")
    assert registry.load(found).factory == {"head": "idec"}
    assert registry.summary(found) == ""


@pytest.mark.parametrize("name", ["", "a:b", "two words"])
def test_a_name_that_cannot_be_typed_is_not_added(name: str) -> None:
    """The name of an added part must be one that users can type."""
    with pytest.raises(ConfigError, match="must not be empty or contain blanks"):
        Registry().add("head", name, object)


def test_an_added_part_does_not_shadow_an_installed_one() -> None:
    """A part that is added under the name of an installed part makes the name ambiguous."""
    registry = Registry(TWINS)
    registry.add("head", "dec", object)
    with pytest.raises(AmbiguousComponent, match=r"Both decda 1\.0 and local provide"):
        registry.find("head", "dec")


def test_status_of_ambiguous_and_broken_parts(site: Path) -> None:
    """The status is ambiguous with the names of both packages, or broken with the reason."""
    install(site, HEAD)
    install(site, HEAD, package="twin")
    install(site, "X = 1", package="bad", kind="encoder")
    registry = install(site, HEAD, package="sole", kind="augment")
    assert [(e.package, registry.status(e)[0]) for e in registry] == [
        ("sole", "ok"),
        ("bad", "broken"),
        ("plug", "ambiguous"),
        ("twin", "ambiguous"),
    ]
    sole, bad, plug, _ = registry
    assert registry.status(sole) == ("ok", None)
    assert registry.status(bad)[1] == "module 'bad_code' has no 'IDEC'"
    assert "plug 1.0 and twin 1.0" in (registry.status(plug)[1] or "")
    assert registry.summary(plug) == "A head."
    assert not {"plug_code", "twin_code", "bad_code", "sole_code"} & set(sys.modules)


def test_finding_and_listing_import_neither_torch_nor_a_plugin(site: Path) -> None:
    """Finding and listing parts imports neither torch nor any module of a plugin."""
    install(site, "import torch\n" + HEAD, name="inner")
    (site / "outer" / "inner").mkdir(parents=True)
    (site / "outer" / "__init__.py").write_text("import torch")
    (site / "outer" / "inner" / "__init__.py").write_text(HEAD)
    (site / "outer-1.0.dist-info").mkdir()
    (site / "outer-1.0.dist-info" / "entry_points.txt").write_text("[decda.heads]\nouter = outer.inner:IDEC\n")
    code = (
        "import sys\nfrom decda.core.parts.registry import Registry\n"
        "registry = Registry.discover()\n"
        "parts = [(e.name, registry.summary(e), registry.status(e)) for e in registry if e.package in sys.argv]\n"
        "assert registry.find('head', 'plug:inner')\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(parts, loaded & {'torch', 'numpy', 'rich', 'click', 'outer', 'plug_code'})"
        "\nassert not any(name.startswith('decda.plugins') for name in sys.modules)"
    )
    root = str(Path(__file__).parents[2])
    path = f"import sys; sys.path[:0] = [{root!r}, {str(site)!r}]\n"
    command = [sys.executable, "-c", path + code, "plug", "outer"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = [("inner", "A head.", ("ok", None)), ("outer", "A head.", ("ok", None))]
    assert run.stdout.strip() == f"{expected} set()"
