"""Voting after relabelling."""

from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics.cluster import contingency_matrix

from decda.core.consensus import voting
from decda.core.consensus.voting import vote
from decda.core.errors import ConfigError, DataError
from decda.core.training.metrics import accuracy, ari

Labels = NDArray[np.int64]


def noisy(seed: int, n: int, n_clusters: int, voters: int, share: float) -> tuple[Labels, list[Labels]]:
    """A labelling, and copies in which a share of labels is drawn anew and the numbers of clusters are shuffled."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, n_clusters, n)
    copies = []
    for _ in range(voters):
        drawn = np.where(random.random(n) < share, random.integers(0, n_clusters, n), truth)
        copies.append(random.permutation(n_clusters)[drawn])
    return truth, copies


def by_brute_force(labelings: list[Labels], n_clusters: int) -> tuple[Labels, Labels]:
    """Votes (N, K) by that one of all relabelings in which most pairs of votes agree, and the most of each image."""
    first, *others = labelings
    best, most = None, -1
    for numbers in product(permutations(range(n_clusters)), repeat=len(others)):
        aligned = [first, *(np.array(order)[labels] for order, labels in zip(numbers, others, strict=True))]
        votes = np.stack([[(np.array(image) == k).sum() for k in range(n_clusters)] for image in zip(*aligned)])  # noqa: B905
        if (votes**2).sum() > most:
            best, most = votes, int((votes**2).sum())
    assert best is not None
    return best, best.max(1)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_best_of_all_relabelings(seed: int) -> None:
    """On small sets the vote is that of the relabelling, among all there are, in which most pairs of votes agree."""
    _, labelings = noisy(seed, n=20, n_clusters=3, voters=4, share=0.3)
    votes, most = by_brute_force(labelings, 3)
    labels, agreement = vote(labelings)
    assert agreement.tolist() == (most / 4).astype(np.float32).tolist()
    clear = (votes == most[:, None]).sum(1) == 1  # without a tie
    assert clear.sum() > 10
    assert ari(votes.argmax(1)[clear], labels[clear]) == 1


def test_a_vote_by_hand() -> None:
    """Two of three put the third image with the first two, one puts it with the others: the majority counts."""
    labels, agreement = vote([np.array([0, 0, 0, 1, 1]), np.array([7, 7, 7, 2, 2]), np.array([1, 1, 0, 0, 0])])
    assert labels.dtype == np.int64
    assert agreement.dtype == np.float32
    assert labels.tolist() == [0, 0, 0, 1, 1]
    assert agreement.tolist() == pytest.approx([1, 1, 2 / 3, 1, 1])


def test_many_that_err_are_right_together() -> None:
    """The consensus of independently wrong labelings is closer to the truth than each of them."""
    truth, labelings = noisy(1, n=2000, n_clusters=10, voters=9, share=0.5)
    labels, agreement = vote(labelings)
    assert max(accuracy(truth, each) for each in labelings) < 0.6
    assert accuracy(truth, labels) > 0.9
    table = contingency_matrix(truth, labels)
    wrong = table.argmax(0)[labels] != truth
    assert agreement[wrong].mean() < agreement[~wrong].mean() - 0.1


def test_order_and_numbers_do_not_matter() -> None:
    """The same labelings in another order, with other numbers for their clusters, give the same bytes."""
    _, labelings = noisy(2, n=60, n_clusters=5, voters=4, share=0.6)  # many ties
    labels, agreement = vote(labelings)
    random = np.random.default_rng(0)
    for _ in range(10):
        shuffled = [random.permutation(9)[labelings[i]].astype(np.int32) for i in random.permutation(4)]
        again, votes = vote(shuffled)
        assert (again.tobytes(), votes.tobytes()) == (labels.tobytes(), agreement.tobytes())


def test_votes_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels and the agreement are the same, bit for bit, however many images are counted together."""
    _, labelings = noisy(2, n=60, n_clusters=5, voters=4, share=0.6)
    labels, agreement = vote(labelings)
    monkeypatch.setattr(voting, "VOTES", 35)
    again, votes = vote(labelings)
    assert (again.tobytes(), votes.tobytes()) == (labels.tobytes(), agreement.tobytes())


def test_ties_go_to_the_labelling_that_agrees_most() -> None:
    """Of labels with equally many votes, that one counts whose labelling shares more with the others."""
    a = np.repeat([0, 1, 2], 8)
    near, far = a.copy(), a.copy()
    near[0] = 1
    far[[0, 9, 10, 17, 18]] = [2, 0, 0, 1, 1]
    labels, agreement = vote([far, a, near])
    assert agreement[0] == pytest.approx(1 / 3)
    assert labels.tolist() == a.tolist()
    labels, agreement = vote([a, far])  # of two, one counts throughout, not a mixture of both
    assert 1 in (ari(labels, a), ari(labels, far))
    assert (agreement == 0.5).sum() == 5


def test_different_numbers_of_clusters() -> None:
    """Where most labelings have three clusters, one that merges two and one that splits one change nothing."""
    three = np.repeat([0, 1, 2], 10)
    merged, split = np.repeat([0, 1, 1], 10), np.repeat([0, 1, 2, 3], [10, 10, 5, 5])
    labels, agreement = vote([merged, three, split, three, three])
    assert labels.tolist() == three.tolist()
    assert agreement[:10].min() == 1
    assert agreement[10:].min() >= 0.8 - 1e-6
    one, another = three.copy(), three.copy()
    one[5], another[15] = 1, 2
    labels, _ = vote([one, split, another, split])  # both numbers equally frequent: the larger one
    assert labels.tolist() == split.tolist()


def test_fewer_clusters_than_the_labelings_have() -> None:
    """Labelings that split each of three groups at random, each in its own way, agree on the three groups."""
    random = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], 40)
    labelings = [groups * 2 + random.integers(0, 2, 120) for _ in range(5)]
    labels, agreement = vote(labelings, n_clusters=3)
    assert labels.tolist() == groups.tolist()
    assert agreement.min() == 1
    assert vote(labelings)[0].max() == 5
    assert vote(labelings, n_clusters=1)[0].max() == 0


def test_a_cluster_without_images_is_left_out() -> None:
    """Labels have no gap, even where a cluster that one labelling has wins no image."""
    two, three = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 2, 1, 1, 1])
    labels, _ = vote([two, two, three], n_clusters=3)
    assert labels.tolist() == two.tolist()


def test_as_many_clusters_as_images() -> None:
    """Sets in which each image is a cluster of its own, or all are one, are voted on like others."""
    labels, agreement = vote([np.arange(5), np.arange(5)[::-1]])
    assert (labels.tolist(), agreement.tolist()) == ([0, 1, 2, 3, 4], [1] * 5)
    labels, _ = vote([np.zeros(5, int), np.zeros(5, int), np.arange(5)])
    assert labels.tolist() == [0] * 5


@pytest.mark.parametrize(
    ("labelings", "n_clusters", "error", "says"),
    [
        ([], None, DataError, "at least two labelings; there is none"),
        ([[0, 1]], None, DataError, "there is 1"),
        ([[0, 1], [0, 1, 1]], None, DataError, "the first is of 2, that at position 1 of 3"),
        ([[0, 1], [0.0, 1.0]], None, DataError, "at position 1 is float64 of shape (2,)"),
        ([[[0], [1]], [0, 1]], None, DataError, "at position 0 is int64 of shape (2, 1)"),
        ([[], []], None, DataError, "at position 0"),
        ([[0, 1], [0, 0]], 3, ConfigError, "n_clusters must be from 1 to 2, the most clusters that a labelling has"),
        ([[0, 1], [0, 0]], 0, ConfigError, "it is 0"),
    ],
)
def test_mistakes(labelings: list[list[int]], n_clusters: int | None, error: type[Exception], says: str) -> None:
    """What cannot be voted on is refused, with what was found."""
    with pytest.raises(error) as raised:
        vote([np.array(labels) for labels in labelings], n_clusters)
    assert says in str(raised.value)
