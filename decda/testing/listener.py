"""The rules for listeners: what follows a run and changes nothing in it, see `decda.core.contracts.Listener`."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from decda.core.contracts import ImageSet
from decda.core.errors import ContractViolation, DecdaError
from decda.core.events import Event, RunEnded
from decda.core.parts.parameters import read_parameters
from decda.core.runs.listening import CHECK
from decda.testing.assertions import require_generators_unmoved, require_quiet_stdout, require_unchanged
from decda.testing.following import INTERRUPTED_AFTER, SETS, close, follow, gray, maker, place, tell, tell_all
from decda.testing.generators import advance_generators
from decda.testing.rules import Rule, Skipped, Subject, require
from decda.testing.signature import check_signature

EQUAL = ("config.toml", "log.csv", "autoencoder.safetensors", "model.safetensors", "labels.csv", "metrics.json")
"""The files that equal runs write byte for byte."""


def _tried(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
    """A rule that makes the listener, which its own check may rule out here."""

    def rule(subject: Subject) -> None:
        own = getattr(subject.factory, CHECK, None)
        if callable(own):
            try:
                own()
            except DecdaError as error:
                raise Skipped(str(error)) from error
        check(subject)

    return rule


def _signature(subject: Subject) -> None:
    with suppress(ContractViolation):  # which is told below
        unset = [parameter.name for parameter in read_parameters(subject.factory) if parameter.required]
        require(not unset, f"its parameter '{', '.join(unset)}' has no default; a listener is made by its name alone")
    check_signature(subject, ("folder",), all_required=True)


def _type(subject: Subject) -> None:
    with place() as outer:
        listener = maker(subject)(outer / "here")
        with suppress(Exception):  # which is another rule's business
            close(listener)
    require(callable(listener), f"it makes a {type(listener).__name__}, which cannot be called with an event")


def _events(subject: Subject) -> None:
    for make_images in SETS:
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            with place() as outer:
                _follow(subject, outer, make_images, device=device, around=tell_all)


def _resumed(subject: Subject) -> None:
    with place() as outer:
        _follow(subject, outer, gray, interrupted_after=INTERRUPTED_AFTER)


def _follow(subject: Subject, outer: Path, make_images: Callable[[], ImageSet], **how: Any) -> None:
    try:
        follow(maker(subject), outer / "run", make_images, **how)
    except Exception as error:
        what = str(make_images.__doc__).partition("\n")[0].rstrip(".")
        error.add_note(f"The run was made of: {what}.")
        raise


def _inputs(subject: Subject) -> None:
    def around(listener: Any, event: Event) -> None:
        held = _tensors(event)
        before = {name: value.clone() for name, value in held.items()}
        listener(event)
        require_unchanged("it", held, before)

    with place() as outer:
        follow(maker(subject), outer / "run", around=around)


def _tensors(value: Any, name: str = "") -> dict[str, Tensor]:
    """The tensors and arrays that an event holds, by name; of a run, its weights and what it found."""
    if isinstance(value, RunEnded):
        weights = {name: module.state_dict() for name, module in value.run.model.modules().items()}
        held = {"images": value.images, "labels": value.run.labels, "confidence": value.run.confidence}
        return _tensors({**held, **weights}, type(value).__name__)
    if isinstance(value, Tensor):
        return {name: value}
    if isinstance(value, np.ndarray):
        return {name: torch.from_numpy(value)}
    if is_dataclass(value):
        name = name or type(value).__name__
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if not isinstance(value, dict):
        return {}
    return {key: tensor for inner in value for key, tensor in _tensors(value[inner], f"{name}.{inner}").items()}


def _result(subject: Subject) -> None:
    with place() as outer:
        follow(None, outer / "alone")
        follow(maker(subject), outer / "run")
        changed = [
            file for file in EQUAL if (outer / "alone" / file).read_bytes() != (outer / "run" / file).read_bytes()
        ]
    require(not changed, f"{', '.join(changed)} of a run that it follows differs from that of a run on its own")


def _close(subject: Subject) -> None:
    for limit in (0, 1, 5):  # what ends the run may come at any time
        with place() as outer:
            told: list[Event] = []

            def around(listener: Any, event: Event, told: list[Event] = told, limit: int = limit) -> None:
                if len(told) < limit:
                    told.append(event)
                    listener(event)

            follow(maker(subject), outer / "run", around=around)


def _folder(subject: Subject) -> None:
    with place() as outer:
        (outer / "note.txt").write_text("of somebody else")
        follow(maker(subject), outer / "run")
        known = {"here", "note.txt", "run"}
        strange = [f"../{path.name}" for path in outer.iterdir() if path.name not in known]
        strange += [path.name for path in (outer / "here").iterdir()]
        require(not strange, f"it writes {', '.join(sorted(strange))}; write below the folder that it gets")
        kept = (outer / "note.txt").read_text() == "of somebody else"
        require(kept, "it changes a file beside the folder that it gets")


def _generators(subject: Subject) -> None:
    def around(listener: Any, event: Event) -> None:
        before = advance_generators()
        listener(event)
        require_generators_unmoved("it", before)

    with place() as outer:
        follow(maker(subject), outer / "run", around=around)


def _stdout(subject: Subject) -> None:
    def around(listener: Any, event: Event) -> None:
        with require_quiet_stdout("it"):
            tell(listener, event)

    with place() as outer:
        follow(maker(subject), outer / "run", around=around)


RULES = (
    Rule("signature", "folder before the star; after it, parameters with type, help and default", _signature),
    Rule("type", "the factory makes something to call with an event", _tried(_type), basic=True),
    Rule("events", "it takes every type of event, and those it does not know, of any set of images", _tried(_events)),
    Rule("resumed", "made anew, it takes the events from where a run goes on", _tried(_resumed)),
    Rule("inputs", "it changes no tensor of an event, and nothing in the run that has ended", _tried(_inputs)),
    Rule("result", "a run that it follows writes the same bytes as one on its own", _tried(_result)),
    Rule("close", "it can be closed after any event, and after none", _tried(_close)),
    Rule("folder", "it writes below the folder that it gets, and nowhere else", _tried(_folder)),
    Rule("global generators", "it neither draws from nor reseeds a global generator", _tried(_generators)),
    Rule("stdout", "it writes nothing to stdout", _tried(_stdout)),
)
