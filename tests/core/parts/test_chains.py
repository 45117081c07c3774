"""Chains of augmentations are found link by link, and are one part to everybody else."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch

from decda.core.chain import Chain
from decda.core.config.composition import compose
from decda.core.config.run_config import PartConfig
from decda.core.errors import (
    AmbiguousComponent,
    BrokenComponent,
    ConfigError,
    ContractViolation,
    InvalidParameter,
    OutOfMemory,
    UnknownComponent,
    UnusableCheckpoint,
)
from decda.core.parts.chains import split_chain
from decda.core.parts.entries import Entry
from decda.core.parts.parameters import supplied_names
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import build_model
from decda.core.runs.provenance import describe_parts
from decda.core.runs.resuming import require_same_parts
from decda.plugins.augmentations.affine import RandomAffine
from decda.plugins.augmentations.shift import RandomShift
from tests.core.parts.test_registry import entry


def augment(name: str, package: str = "decda", **more: Any) -> Entry:
    return entry(name, package, "augment", **more)


PARTS = [
    *(augment("affine", version="2.0"), augment("color", version="2.0"), augment("blur", version="2.0")),
    *(augment("color", "extra", version="1.0"), augment("grain", "extra", version="1.0")),
    *(augment("grain+fog", "extra", version="1.0"), entry("dec"), entry("idec")),
]


@pytest.fixture
def parts() -> Registry:
    """A registry of parts of two packages, which cannot be imported."""
    return Registry(PARTS)


@pytest.mark.parametrize(
    ("typed", "prefer", "qualified"),
    [
        ("affine+blur", None, "decda:affine+decda:blur"),
        ("blur+affine", None, "decda:blur+decda:affine"),
        ("affine+grain+blur", None, "decda:affine+extra:grain+decda:blur"),
        ("affine+extra:color", None, "decda:affine+extra:color"),
        ("decda:color+grain", None, "decda:color+extra:grain"),
        ("affine+color", "decda", "decda:affine+decda:color"),
        ("affine+color", "extra", "decda:affine+extra:color"),
        ("affine", None, "decda:affine"),
        ("grain+fog", None, "extra:grain+fog"),
        ("extra:grain+fog", None, "extra:grain+fog"),
        ("affine+grain+fog", None, "decda:affine+extra:grain+fog"),
        ("extra:grain+fog+affine", None, "extra:grain+fog+decda:affine"),
    ],
)
def test_each_link_is_found_by_itself(parts: Registry, typed: str, prefer: str | None, qualified: str) -> None:
    """Each link may name its package or mean the preferred one; a registered name with a + is that part; both ways."""
    found = parts.find("augment", typed, prefer=prefer)
    assert found.qualified == qualified
    assert parts.find("augment", qualified) == found


def test_the_longest_name_counts() -> None:
    """Where registered names with a + begin alike, the longest is the link, from the left."""
    known = {"a", "b", "c", "a+b", "a+b+c"}
    for typed, links in (
        ("a+b+c+b", ["a+b+c", "b"]),
        ("c+a+b", ["c", "a+b"]),
        ("a+c+b", ["a", "c", "b"]),
        ("b+a+b+d", ["b", "a+b", "d"]),
    ):
        assert split_chain(typed, known.__contains__) == links


def test_the_entry_joins_those_of_the_links(parts: Registry) -> None:
    """Name, package and version of a chain join those of its links; where all are of one package, it stands once."""
    chain = parts.find("augment", "affine+decda:color")
    assert (chain.kind, chain.name, chain.package, chain.version) == ("augment", "affine+color", "decda", "2.0")
    assert chain.owner == "decda 2.0"
    assert [link.name for link in chain.links] == ["affine", "color"]
    mixed = parts.find("augment", "affine+grain+blur")
    assert (mixed.package, mixed.version) == ("decda+extra+decda", "2.0+1.0+2.0")
    assert mixed.owner == "decda 2.0 + extra 1.0"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("affine+colour", "Unknown augment 'colour' in the chain 'affine+colour'. Did you mean 'color'?"),
        ("affin+blur", "Unknown augment 'affin' in the chain 'affin+blur'. Did you mean 'affine'?"),
        ("affine+other:blur", "Unknown augment 'other:blur' in the chain 'affine+other:blur'."),
        ("affine + blur", "The chain 'affine + blur' cannot be read: between two names there must be a '+' and no bla"),
        ("affine+ blur", "Write affine+blur."),
        ("affine+", "The chain 'affine+' cannot be read: between two names there must be a '+' and no blanks."),
        ("affine++blur", "Write affine+blur."),
        ("+", "Write affine+color."),
    ],
)
def test_an_unreadable_chain_says_why(parts: Registry, typed: str, message: str) -> None:
    """The error about a chain names the link that is unknown, or how a chain is written."""
    with pytest.raises(UnknownComponent) as caught:
        parts.find("augment", typed)
    assert message in str(caught.value)


def test_a_link_of_two_packages_is_refused(parts: Registry) -> None:
    """A link that several packages provide is as ambiguous in a chain as alone."""
    with pytest.raises(AmbiguousComponent, match="Pick one: decda:color or extra:color"):
        parts.find("augment", "affine+color")


@pytest.mark.parametrize("typed", ["affine+affine", "affine+blur+affine", "decda:color+extra:color"])
def test_a_part_may_occur_once(parts: Registry, typed: str) -> None:
    """A chain cannot hold two links of one name, whose settings could not be told apart."""
    name = typed.rpartition("+")[2].rpartition(":")[2]
    with pytest.raises(ConfigError, match=f"has '{name}' twice"):
        parts.find("augment", typed)


@pytest.mark.parametrize("kind", ["encoder", "head", "dataset", "recipe"])
def test_only_augmentations_can_be_chained(parts: Registry, kind: str) -> None:
    """For other kinds a chain is an unknown name, and the error says what can be chained."""
    with pytest.raises(UnknownComponent, match=r"Unknown .* 'dec\+idec'.*Only augmentations can be chained by '\+'"):
        parts.find(kind, "dec+idec")


def test_listing_shows_no_chains(parts: Registry) -> None:
    """Finding a chain adds nothing to the registry."""
    parts.find("augment", "affine+blur")
    assert list(parts) == sorted(PARTS)
    assert "affine+blur" not in parts.names("augment")


def test_short_names() -> None:
    """The short name of a part leaves the package out, that of a chain the package of each link."""
    for name, short in (
        ("decda:affine+decda:color", "affine+color"),
        ("decda:affine+extra:grain+fog", "affine+grain+fog"),
        ("extra:grain+fog", "grain+fog"),
        ("decda:idec", "idec"),
    ):
        assert PartConfig(name).short == short


class Grain:
    """Film grain."""

    def __init__(self, input_shape: Any, *, amount: Annotated[float, "how much"] = 0.25):
        if amount > 1:
            raise ValueError(f"amount must be in [0, 1], it is {amount}")
        self.input_shape, self.amount = input_shape, amount

    def sample(self, n: int, generator: Any) -> torch.Tensor:
        return torch.rand(n, 1, generator=generator)

    def apply(self, x: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
        return (x + self.amount * params.view(-1, 1, 1, 1)).clamp(0, 1)


@pytest.fixture
def own(registry: Registry) -> Registry:
    """The built-in parts, and one more."""
    own = Registry(registry)
    own.add("augment", "grain", Grain)
    return own


def test_parameters_carry_the_name_of_their_link(own: Registry) -> None:
    """A chain takes the parameters of its links, each after the name of the link; loading it again is free."""
    chain = own.find("augment", "shift+grain")
    component = own.load(chain)
    assert [str(p) for p in component.parameters if p.name.endswith(("translate", "amount"))] == [
        "shift.translate: float = 0.1",
        "grain.amount: float = 0.25",
    ]
    assert component.parameters[-1].help == "how much"
    assert [link.factory for link in component.links] == [RandomShift, Grain]
    assert own.load(chain) is component


def test_a_replaced_part_is_replaced_in_chains(own: Registry) -> None:
    """If a part is added again under its name, chains that were loaded before hold the new one."""
    assert own.load(own.find("augment", "affine+grain")).links[1].factory is Grain

    class Other(Grain):
        pass

    Other.__qualname__ = Grain.__qualname__  # as in a notebook where a cell is run again
    own.add("augment", "grain", Other)
    assert own.load(own.find("augment", "affine+grain")).links[1].factory is Other


def test_the_factory_asks_for_what_links_ask_for(own: Registry) -> None:
    """A chain asks for what one of its links asks for, and hands it on to those alone."""
    factory = own.load(own.find("augment", "affine+grain")).factory
    assert supplied_names(factory) == ("input_shape",)
    made = factory(input_shape=(1, 4, 4), **{"affine.degrees": 5.0})
    affine, grain = made.links
    assert isinstance(made, Chain)
    assert (affine.degrees, affine.translate, grain.amount, grain.input_shape) == (5.0, 0.1, 0.25, (1, 4, 4))


@pytest.mark.parametrize(
    "told",
    [
        {"parts": {"augment": "affine+grain"}, "settings": ["augment.affine.degrees=15", "augment.grain.amount=0.5"]},
        {"parts": {"augment": {"name": "affine+grain", "affine.degrees": 15, "grain.amount": 0.5}}},
        {"config": {"augment": {"name": "affine+grain", "affine": {"degrees": 15}, "grain": {"amount": 0.5}}}},
    ],
)
def test_settings(own: Registry, told: dict[str, Any]) -> None:
    """A link is set by its name, in settings, in Python and as a table in TOML; what is written reads back equal."""
    if "config" in told:
        told["config"]["recipe"] = "quick"
    config = compose(own, **told)
    assert config.augment.name == "decda:affine+local:grain"
    assert config.augment.short == "affine+grain"
    assert config.augment.parameters["affine.degrees"] == 15.0
    assert config.augment.parameters["affine.translate"] == 0.1
    assert config.augment.parameters["grain.amount"] == 0.5
    assert compose(own, config=config.as_mapping()) == replace(config, recipe=None)


def test_a_written_configuration_reads_back(own: Registry, tmp_path: Path) -> None:
    """`config.toml` names each link with its package, and reads back equal."""
    config = compose(own, parts={"augment": "shift+grain"}, settings=["augment.shift.translate=0.3"])
    (tmp_path / "config.toml").write_text(config.as_toml())
    assert '"shift.translate" = 0.3' in config.as_toml()
    assert compose(own, config=tmp_path / "config.toml") == config


def test_parameters_of_the_former_part_are_dropped(own: Registry) -> None:
    """Naming a chain drops the parameters of the augmentation below, and the other way round."""
    chain = compose(
        own, config={"recipe": "quick", "augment": {"name": "affine", "degrees": 3}}, parts={"augment": "affine+grain"}
    )
    assert chain.augment.parameters["affine.degrees"] == 10.0
    back = compose(own, config=chain.as_mapping(), parts={"augment": "affine"})
    assert sorted(back.augment.parameters) == ["backend", "degrees", "translate"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("augment.degrees=5", r"augment 'affine\+grain' has no parameter 'degrees'.*Did you mean 'affine.degrees'"),
        ("augment.grain.amonut=5", "has no parameter 'grain.amonut'.*Did you mean 'grain.amount'"),
        ("augment.affine.degrees=x", "'affine.degrees' must be a finite number"),
    ],
)
def test_settings_that_do_not_fit(own: Registry, setting: str, message: str) -> None:
    """An error about a setting of a chain says its full name."""
    with pytest.raises(InvalidParameter, match=message):
        compose(own, parts={"augment": "affine+grain"}, settings=[setting])


def built(own: Registry, name: str, settings: tuple[str, ...] = ()) -> Any:
    config = compose(own, parts={"augment": name, "encoder": "fc"}, settings=settings, n_clusters=3)
    return build_model(config, own, (1, 6, 6)).augment


def test_a_model_is_built_with_a_chain(own: Registry) -> None:
    """Assembly builds the links with their own parameters, and chains them."""
    chain = built(own, "affine+grain", ("augment.affine.degrees=4", "augment.grain.amount=0.5"))
    x, params = torch.rand(2, 1, 6, 6), chain.sample(2, torch.Generator().manual_seed(0))
    expected = Grain(None, amount=0.5).apply(RandomAffine(degrees=4).apply(x, params[:, :3]), params[:, 3:])
    assert torch.equal(chain.apply(x, params), expected)


def failing(error: BaseException) -> Any:
    def make() -> None:
        raise error

    return make


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (failing(KeyError("x")), BrokenComponent, r"augment 'mine' \(local\) failed while it was built: KeyError: 'x'"),
        (failing(MemoryError()), OutOfMemory, r"augment 'affine\+mine' \(decda .* \+ local\) does not fit"),
        (failing(SystemExit(2)), BrokenComponent, r"augment 'affine\+mine' .*SystemExit"),
        (lambda: 3, ContractViolation, r"augment 'mine' \(local\) must have the methods sample and apply; int has not"),
        (lambda strange: 3, ContractViolation, r"augment 'affine\+mine' .* wants 'strange' before the star"),
    ],
)
def test_a_link_that_fails_is_named(own: Registry, factory: Any, error: type[Exception], message: str) -> None:
    """What goes wrong in a link ends in an error that names it, never in a traceback."""
    own.add("augment", "mine", factory)
    with pytest.raises(error, match=message):
        built(own, "affine+mine")


def test_values_out_of_range_name_the_link(own: Registry) -> None:
    """A value out of range names the chain and the link."""
    with pytest.raises(
        InvalidParameter, match=r"augment 'affine\+grain' \(decda .*: grain: amount must be in \[0, 1\]"
    ):
        built(own, "affine+grain", ("augment.grain.amount=2",))


def test_a_link_that_cannot_be_imported_is_named(registry: Registry) -> None:
    """A link whose module is missing is reported as it is alone."""
    own = Registry([*registry, augment("gone", "extra", version="1.0")])
    with pytest.raises(BrokenComponent, match="The augment 'gone' of extra 1.0 cannot be used"):
        compose(own, parts={"augment": "affine+gone"})


def test_tables_need_every_link_to_take_them(own: Registry) -> None:
    """For the rows of a table, a chain is refused with the link that is for images alone."""

    class OfTables(Grain):
        def __init__(self, value_range: Any):
            super().__init__(None)

    own.add("augment", "jitter", OfTables)
    config = compose(own, parts={"augment": "jitter+affine", "encoder": "fc"}, n_clusters=3)
    with pytest.raises(ConfigError, match=r"^augment 'affine' \(decda .*\) is for images"):
        build_model(config, own, (1, 1, 6), None)
    assert build_model(replace(config, augment=PartConfig("local:jitter")), own, (1, 1, 6), None)


def test_provenance_tells_links_packages_and_versions(own: Registry) -> None:
    """Provenance has a chain as one part; another version of a link is another part, with which no run goes on."""
    config = compose(own, parts={"augment": "affine+shift"})
    version = own.find("augment", "affine").version
    described = describe_parts(config, own)
    assert described["parts"]["augment"] == {"name": "affine+shift", "package": "decda", "version": version}
    mixed = compose(own, parts={"augment": "affine+grain"})
    then = describe_parts(mixed, own)
    assert then["parts"]["augment"] == {"name": "affine+grain", "package": "decda+local", "version": f"{version}+"}
    require_same_parts(then, mixed, own)
    then["parts"]["augment"]["version"] = "0.0.1+"
    with pytest.raises(UnusableCheckpoint, match=r"another augment 'affine\+grain'"):
        require_same_parts(then, mixed, own)
