"""What a rule is, how one is tried on a part, and how it fails."""

import io
import os
import pickle
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

import decda
from decda.core.errors import in_a_line
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.random_keys import derive_seed, keyed_generator

Status = Literal["passed", "failed", "skipped"]
_HOME = Path(decda.__file__).parent
OURS = tuple(str(place) for place in (_HOME / "core", _HOME / "testing", Path(torch.__file__).parent))
"""Where decda's core, the kit and PyTorch lie: an error is told by the line of the part that led there."""


class Breach(Exception):
    """A part breaks the rule that is tried; says what was seen."""


class Skipped(Exception):
    """The rule cannot be tried on this part; says why."""


@dataclass(frozen=True)
class Subject:
    """A part under test.

    Attributes:
        kind: `encoder`, `head`, `augment`, `dataset` or `recipe`.
        owner: what messages call it: `"head 'idec' (decda 0.1.0)"`.
        factory: the class or function; of a recipe, its qualified name.
        parameters: values for some of its parameters; the others keep their defaults.
        files: where a data set finds its files.
        registry: where a recipe finds its parts.
    """

    kind: str
    owner: str
    factory: Any
    parameters: Mapping[str, Any] = field(default_factory=dict)
    files: Files = field(default_factory=Files)
    registry: Registry = field(default_factory=Registry)

    def make(self, seed: int = 0, **supplies: Any) -> Any:
        """The part itself, built as assembly does: by name, under a global generator of that seed."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive_seed(seed, self.kind))
            return self.factory(**supplies, **self.parameters)


@dataclass(frozen=True)
class Rule:
    """One thing that is asked of a part.

    Attributes:
        name: a word or two: `"batch of one"`.
        demand: the sentence that must be true.
        check: raises `Breach` where it is not; any other exception of the part is a breach, too.
        basic: whether no later rule can be tried where this one is broken: there is no part then.
    """

    name: str
    demand: str
    check: Callable[[Subject], None]
    basic: bool = False


@dataclass(frozen=True)
class Outcome:
    """What trying a rule came to.

    Attributes:
        rule: which one.
        owner: the part.
        status: `skipped` where the rule could not be tried, for reasons that are no fault of the part.
        seen: what was seen where it failed, or why it was skipped; else "".
    """

    rule: Rule
    owner: str
    status: Status
    seen: str = ""

    def __str__(self) -> str:
        """As an assertion says it."""
        return f"{self.owner} breaks the rule '{self.rule.name}' ({self.rule.demand}): {self.seen}"


def try_rule(rule: Rule, subject: Subject) -> Outcome:
    """Try a rule on a part. Whatever the part does, this answers; global generators are left as they were."""
    try:
        with _unmoved_generators():
            rule.check(subject)
    except Breach as breach:
        return Outcome(rule, subject.owner, "failed", str(breach))
    except Skipped as skipped:
        return Outcome(rule, subject.owner, "skipped", str(skipped))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code may raise any
        return Outcome(rule, subject.owner, "failed", describe(error))
    return Outcome(rule, subject.owner, "passed")


def require(condition: bool, seen: str) -> None:
    """Raise `Breach` unless the condition holds."""
    if not condition:
        raise Breach(seen)


def describe(error: BaseException) -> str:
    """An exception in one line, with the innermost line of the part's own code."""
    where = ""
    for frame, line in walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(OURS):
            where = f" ({Path(file).name}, line {line})"
    return f"{in_a_line(error)}{where}"


def require_tensor(what: str, value: object, shape: tuple[int | None, ...], dtype: torch.dtype = torch.float32) -> None:
    """A finite tensor of that shape and type; None stands for any length."""
    wanted = f"{str(dtype).removeprefix('torch.')} of shape {_shape(shape)}"
    require(isinstance(value, Tensor), f"{what} must be a tensor, {wanted}; it is {type(value).__name__}")
    assert isinstance(value, Tensor)
    fits = value.dim() == len(shape) and all(s in (None, v) for s, v in zip(shape, value.shape, strict=True))
    seen = f"{str(value.dtype).removeprefix('torch.')} of shape {_shape(tuple(value.shape))}"
    require(fits and value.dtype == dtype, f"{what} must be {wanted}; it is {seen}")
    if value.device.type != "meta":
        require(bool(value.isfinite().all()), f"{what} holds numbers that are not finite: {_few(value)}")


def require_equal(what: str, seen: Tensor, wanted: Tensor) -> None:
    """Equal up to the rounding of float32 in another order of summation."""
    fits = seen.shape == wanted.shape and torch.allclose(seen, wanted, rtol=1e-3, atol=1e-4)
    if not fits:
        far = f", apart by {(seen - wanted).abs().max():.3g} at most" if seen.shape == wanted.shape else ""
        raise Breach(f"{what}: {_few(seen)} and {_few(wanted)}{far}")


def require_rows(what: str, rows: Tensor) -> None:
    """Every row holds shares that sum to 1."""
    require(bool((rows >= 0).all()), f"{what} has negative entries, the smallest is {rows.min():.3g}")
    worst = rows.sum(1)[(rows.sum(1) - 1).abs().argmax()]
    require(bool((worst - 1).abs() < 1e-3), f"each row of {what} must sum to 1; one sums to {worst:.6g}")


def images(n: int, shape: tuple[int, ...], *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Noise in [0, 1], (n, C, H, W)."""
    return torch.rand(n, *shape, generator=keyed_generator(seed, "kit images"), dtype=torch.float64).to(dtype)


def stir_generators() -> dict[str, bytes]:
    """Put the global generators of PyTorch, NumPy and Python where no seed puts them; returns their states."""
    for seed, draw in (
        (torch.manual_seed, torch.rand),
        (np.random.seed, np.random.rand),
        (random.seed, random.randrange),
    ):
        seed(1)
        draw(3)
    return _generator_states()


def _generator_states() -> dict[str, bytes]:
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy.random": pickle.dumps(np.random.get_state()),
        "random": pickle.dumps(random.getstate()),
    }


def require_unmoved(what: str, before: Mapping[str, bytes]) -> None:
    """The global generators are as `stir_generators` left them."""
    moved = [name for name, state in _generator_states().items() if state != before[name]]
    seen = f"{what} draws from or reseeds the global generator of {', '.join(moved)}"
    require(not moved, f"{seen}; draw from the generator or by the seed that the method is given, else draw nothing")


@contextmanager
def _unmoved_generators() -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def quiet_stdout(what: str) -> Iterator[None]:
    """Within, nothing may be written to stdout, by Python or past it."""
    with redirect_stdout(io.StringIO()) as written, tempfile.TemporaryFile() as below:
        kept = os.dup(1)
        os.dup2(below.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        below.seek(0)
        text = written.getvalue() + below.read().decode(errors="replace")
    seen = f"{what} writes {text[:60]!r} to stdout, which holds results alone"
    require(not text, f"{seen}; write to stderr, or use logging or warnings")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if side is None else str(side) for side in shape) + ")"


def _few(value: Tensor) -> str:
    numbers = ", ".join(f"{number:.4g}" for number in value.detach().flatten()[:4].tolist())
    return f"[{numbers}{', ...' if value.numel() > 4 else ''}]"
