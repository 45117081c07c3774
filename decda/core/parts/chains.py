"""Chains of augmentations: `affine+color` is one part, made of the parts `affine` and `color`."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from decda.core.errors import (
    BrokenComponent,
    ConfigError,
    ContractViolation,
    DecdaError,
    UnknownComponent,
    in_a_line,
    is_out_of_memory,
)
from decda.core.parts.entries import PLUS, Entry
from decda.core.parts.parameters import Parameter, supplied_names

if TYPE_CHECKING:
    from decda.core.parts.registry import Component

CHAINED = "augment"
"""The only kind of which several parts make one."""
CLASS = ("decda.core.chain", "Chain")
"""The module and the name of what runs the links; it imports torch, so it is imported as the parts are."""


def split_chain(name: str, is_registered: Callable[[str], bool]) -> list[str]:
    """Split a chain into the names of its links.

    A registered name may contain a `+` itself; where there is a choice, the longest name counts.

    Args:
        name: the chain as it was typed, each link with or without its package.
        is_registered: whether a part has a name.

    Returns:
        The names of the links, in order; those that are not registered contain no `+`.

    Raises:
        UnknownComponent: a link is empty, or there are blanks around it.

    Example:
        >>> split_chain("affine+my+own+color", lambda name: name == "my+own")
        ['affine', 'my+own', 'color']
    """
    words, links = name.split(PLUS), []
    if any(word != word.strip() or not word for word in words):
        meant = PLUS.join(word.strip() for word in words if word.strip()) or "affine+color"
        raise UnknownComponent(
            f"The chain {name!r} cannot be read: between two names there must be a '+' and no blanks. Write {meant}."
        )
    while words:
        fitting = (n for n in range(len(words), 1, -1) if is_registered(PLUS.join(words[:n])))
        n = next(fitting, 1)
        links.append(PLUS.join(words[:n]))
        words = words[n:]
    return links


def join_entries(links: Sequence[Entry]) -> Entry:
    """The entry of a chain.

    Args:
        links: the entries of its links, in order.

    Returns:
        An entry whose name joins those of the links, and so do package and version where they differ.

    Raises:
        ConfigError: two links have one name, by which settings could not tell them apart.

    Example:
        >>> links = [Entry("augment", name, "decda", "1.0", "", "") for name in ("affine", "color")]
        >>> chain = join_entries(links)
        >>> chain.name, chain.qualified, chain.owner
        ('affine+color', 'decda:affine+decda:color', 'decda 1.0')
    """
    names = [link.name for link in links]
    chain = PLUS.join(names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"The chain {chain!r} has {twice!r} twice. Each part may occur once in a chain, because its parameters are "
            "set by its name. Set those of a single one higher, or register it under another name as well."
        )
    same = len({(link.package, link.version) for link in links}) == 1
    origins = links[:1] if same else links
    package, version = (PLUS.join(texts) for texts in zip(*((o.package, o.version) for o in origins), strict=True))
    return Entry(CHAINED, chain, package, version, *CLASS, links=tuple(links))


def join_parameters(links: Sequence["Component"]) -> tuple[Parameter, ...]:
    """The parameters of a chain.

    Args:
        links: the loaded links, in order.

    Returns:
        Those of the links, with the name of the link before: `affine.degrees`.
    """
    return tuple(replace(p, name=f"{link.entry.name}.{p.name}") for link in links for p in link.parameters)


class ChainFactory:
    """Makes a chain; to inspection it looks like a function that asks for whatever one of its links asks for.

    Args:
        links: the loaded links, in order.
        chain: makes the chain from the augmentations.
    """

    def __init__(self, links: Sequence["Component"], chain: Callable[[list[Any]], Any]):
        self.links = tuple(links)
        self.chain = chain
        wanted = dict.fromkeys(name for link in links for name in supplied_names(link.factory))
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in wanted])

    def __call__(self, **given: Any) -> Any:
        """Make every link, and chain them.

        Args:
            given: what the links ask for, and parameters of theirs by their joined names.

        Returns:
            The chain.

        Raises:
            ValueError: a value is out of range; the message starts with the name of the link.
            ContractViolation: a link makes no augmentation.
            BrokenComponent: a link fails.
        """
        return self.chain([_make(link, given) for link in self.links])


def _make(link: "Component", given: Mapping[str, Any]) -> Any:
    name = link.entry.name
    owner = f"{CHAINED} '{name}' ({link.entry.owner})"
    arguments = {wanted: given[wanted] for wanted in supplied_names(link.factory) if wanted in given}
    arguments |= {p.name: given[f"{name}.{p.name}"] for p in link.parameters if f"{name}.{p.name}" in given}
    try:
        made = link.factory(**arguments)
    except DecdaError:
        raise
    except Exception as error:  # a plugin's code may raise anything
        if is_out_of_memory(error):
            raise
        if isinstance(error, ValueError):
            raise ValueError(f"{name}: {error}") from error
        raise BrokenComponent(f"{owner} failed while it was built: {in_a_line(error)}") from error
    if not all(callable(getattr(made, method, None)) for method in ("sample", "apply")):
        raise ContractViolation(f"{owner} must have the methods sample and apply; {type(made).__name__} has not.")
    return made
