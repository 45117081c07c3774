"""A chain draws for all of its links at once, and applies them in order."""

import pickle
from collections import deque
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from decda.core.chain import Chain
from decda.core.config.composition import compose
from decda.core.contracts import Augmentation
from decda.core.execution.messages import Finished, Job, Message
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.plugins.augmentations.affine import RandomAffine
from decda.plugins.augmentations.none import NoAugmentation
from decda.plugins.augmentations.shift import RandomShift
from decda.testing import check_augmentation
from tests.conftest import SHORT
from tests.core.execution.test_processes import run_side_by_side


class Times:
    """Multiplies by a random factor."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.rand(n, 1, generator=generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x * params.to(x.dtype).view(-1, 1, 1, 1)


class Mix(Times):
    """Mixes with one of two grays, by two random numbers."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.rand(n, 2, generator=generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        gray, share = params.to(x.dtype).view(-1, 2, 1, 1, 1).unbind(1)
        return x + share * (gray - x)


def test_links_are_applied_in_order() -> None:
    """The first link sees the image, the second what the first made of it, each with its own numbers."""
    x = torch.tensor([[[[0.8, 0.4]]]])
    times, mix = torch.tensor([[0.5]]), torch.tensor([[1.0, 0.25]])
    for links, params, expected in (
        ([Times(), Mix()], [times, mix], [0.4 + 0.25 * 0.6, 0.2 + 0.25 * 0.8]),
        ([Mix(), Times()], [mix, times], [0.5 * (0.8 + 0.25 * 0.2), 0.5 * (0.4 + 0.25 * 0.6)]),
    ):
        y = Chain(links).apply(x, torch.cat(params, 1))
        torch.testing.assert_close(y.flatten().tolist(), expected, atol=1e-6, rtol=0)


def test_draws_stand_side_by_side() -> None:
    """The draws of a chain are those of its links, from one generator in the order of the links."""
    links: list[Augmentation] = [RandomAffine(), NoAugmentation(), Mix()]
    one, other = (torch.Generator().manual_seed(3) for _ in range(2))
    params = Chain(links).sample(7, one)
    assert params.shape == (7, 5)
    assert params.dtype == torch.float32
    assert torch.equal(params, torch.cat([link.sample(7, other) for link in links], 1))


def test_the_second_link_has_draws_of_its_own() -> None:
    """Two links of one kind do not draw the same numbers."""
    params = Chain([Times(), Times()]).sample(5, torch.Generator().manual_seed(0))
    assert not torch.equal(params[:, 0], params[:, 1])


def test_a_chain_of_one_is_that_part() -> None:
    """A chain of one link draws and applies as the link alone."""
    alone, chain = RandomShift(), Chain([RandomShift()])
    x = torch.rand(4, 3, 9, 5, generator=torch.Generator().manual_seed(1))
    params = alone.sample(4, torch.Generator().manual_seed(0))
    assert torch.equal(chain.sample(4, torch.Generator().manual_seed(0)), params)
    assert torch.equal(chain.apply(x, params), alone.apply(x, params))


def test_a_link_without_draws() -> None:
    """Links that draw nothing, alone or among others, are no trouble."""
    chain = Chain([NoAugmentation(), NoAugmentation()])
    params = chain.sample(3, torch.Generator())
    assert params.shape == (3, 0)
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(chain.apply(x, params), x)


def test_building_draws_from_no_global_generator() -> None:
    """Widths are found with a generator that nobody else uses."""
    before = torch.get_rng_state()
    assert Chain([RandomAffine(), Mix()]).widths == (3, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_copies() -> None:
    """A chain can be copied and pickled."""
    chain, x = Chain([Times(), Mix()]), torch.rand(4, 1, 3, 3)
    params = chain.sample(4, torch.Generator().manual_seed(0))
    for copy in (deepcopy(chain), pickle.loads(pickle.dumps(chain))):
        assert torch.equal(copy.apply(x, params), chain.apply(x, params))


@pytest.mark.parametrize("links", [[RandomAffine, RandomShift], [Times, NoAugmentation, Mix]])
def test_contract(links: list[type[Augmentation]]) -> None:
    """A chain of augmentations is an augmentation."""
    check_augmentation(lambda: Chain([link() for link in links]))


def test_a_chain_trains_in_a_process_of_its_own(registry: Registry, tmp_path: Path) -> None:
    """A run with a chain leaves the same bytes in another process, which finds the links anew, as in this one."""
    parts = {"encoder": "fc", "augment": {"name": "shift+color", "shift.translate": 0.2}}
    config = compose(registry, parts=parts, settings=[*SHORT, "train.pretrain_epochs=0", "encoder.hidden=20"])
    here = run(config, registry, Files(offline=True), out=tmp_path / "here")
    outcomes: list[Message] = []
    jobs = deque([Job(0, config, tmp_path / "there")])
    run_side_by_side(
        jobs, lambda key, message: outcomes.append(message), n_jobs=1, threads=1, offline=True, data_root=tmp_path
    )
    assert isinstance(outcomes[-1], Finished), outcomes[-1]
    for name in ("config.toml", "labels.csv", "model.safetensors"):
        assert (tmp_path / "there" / name).read_bytes() == (here.folder / name).read_bytes()
    plain = compose(registry, parts={**parts, "augment": "none"}, settings=[*SHORT, "encoder.hidden=20"])
    other = run(plain, registry, Files(offline=True), out=tmp_path / "plain")
    assert (other.folder / "model.safetensors").read_bytes() != (here.folder / "model.safetensors").read_bytes()
