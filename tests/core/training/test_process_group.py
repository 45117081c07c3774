"""Processes that share a run compute what one process computes."""

import json
from pathlib import Path

import pytest
import torch

from decda.core.training.peers import ALONE
from tests.core.training.shared import N, story
from tests.together import end_together, start_together

CASES = (("float32", "{}"), ("float64", "{}"), ("float64", '{"order": "stored", "batch_size": 60, "tol": 0.01}'))

PRIMITIVES = """
import json, os, torch
from decda.core.errors import PeerLost
from decda.core.training.process_group import joined

with joined(torch.device("cpu")) as group:
    x = torch.arange(14.0).view(7, 2)
    portion = group.portion_of(torch.tensor([3, 1, 6]), torch.zeros(3, 1))
    empty = group.portion_of(torch.tensor([2, 5]), torch.zeros(2, 1))
    a, b = torch.full((2,), group.rank + 1.0), torch.tensor(float(group.rank))
    first = group.agree("SIGINT" if group.rank == 1 else None)
    group.sum([a, b])
    followed = torch.tensor([group.rank])
    group.follow([followed])
    told = {
        "share": group.share_of(x).tolist(), "gathered": group.gather(group.share_of(x), 7).equal(x),
        "portion": [portion.index.tolist(), portion.total, portion.weight],
        "empty": [empty.index.tolist(), len(empty.draws), empty.total, empty.weight],
        "sums": [a.tolist(), b.item()], "agreed": [first, group.agree(None)], "followed": followed.item(),
        "told": group.tell("from the first" if group.rank == 0 else None), "exchanged": group.exchange(group.rank),
    }
    if group.rank == 2:
        print(json.dumps(told), flush=True)
        os._exit(1)
    try:
        for _ in range(3):
            group.sum([a])
    except PeerLost as error:
        told["lost"] = str(error)
    print(json.dumps(told), flush=True)
    os._exit(0)
"""


def test_what_processes_tell_each_other(tmp_path: Path) -> None:
    """Shares, portions, sums and values are those of all three; where one has died, the others are told."""
    told = [json.loads(out) for _, out, _ in end_together(start_together(["-c", PRIMITIVES], 3, tmp_path))]
    assert [each["share"] for each in told] == [
        [[0.0, 1.0], [6.0, 7.0], [12.0, 13.0]], [[2.0, 3.0], [8.0, 9.0]], [[4.0, 5.0], [10.0, 11.0]],
    ]  # fmt: skip
    assert [each["portion"][0] for each in told] == [[3, 6], [1], [2]]
    assert [each["portion"][1:] for each in told] == [[3, pytest.approx(2 / 3)], [3, pytest.approx(1 / 3)], [3, 0.0]]
    assert [each["empty"] for each in told] == [[[0], 1, 2, 0.0], [[1], 1, 2, 0.0], [[2, 5], 2, 2, 1.0]]
    for each in told:
        assert each["gathered"]
        assert each["sums"] == [[6.0, 6.0], 3.0]
        assert each["followed"] == 0
        assert each["told"] == "from the first"
        assert each["exchanged"] == [0, 1, 2]
    assert [each["agreed"] for each in told] == [[None, "SIGTERM"]] * 3
    assert all("Another process of this run has ended" in each["lost"] for each in told[:2])


def test_two_processes_compute_what_one_computes(tmp_path: Path) -> None:
    """The losses of some 200 steps of both phases agree: to 1e-10 in double precision, to 1e-5 in single."""
    words = ["-m", "tests.core.training.shared", *(word for case in CASES for word in case)]
    ended = end_together(start_together(words, 2, tmp_path))
    assert [code for code, _, _ in ended] == [0, 0], ended
    both = [json.loads(out) for _, out, _ in ended]
    for number, (dtype, settings) in enumerate(CASES):
        alone = story(dtype, ALONE, json.loads(settings))
        exact = dtype == "float64"
        for told in (both[0][number], both[1][number]):
            assert len(told["losses"]) == len(alone["losses"]) > (150 if settings == "{}" else 50)
            for theirs, ours in zip(told["losses"], alone["losses"], strict=True):
                torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-10 if exact else 1e-5)
            same = sum(left == right for left, right in zip(told["labels"], alone["labels"], strict=True))
            assert same == N if exact else same > 0.99 * N
            torch.testing.assert_close(told["changed"], alone["changed"], rtol=0, atol=0 if exact else 0.02)
        assert [each[number]["held"] for each in both] == [151, 150]
