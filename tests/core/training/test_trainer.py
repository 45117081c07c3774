"""The trainer, on a data set so small that every rule can be observed."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from decda.core.config.train_config import TrainConfig
from decda.core.contracts import Autoencoder, Batch, ClusteringHead, as_float
from decda.core.errors import ContractViolation, TrainingDiverged
from decda.core.events import (
    BatchEnded,
    ClustersCounted,
    Event,
    Initialised,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Refreshed,
    StepFallback,
)
from decda.core.functional import cluster_means, student_t
from decda.core.random_keys import derive_seed
from decda.core.training import step as step_module
from decda.core.training.cluster_count import count_clusters
from decda.core.training.model import Model
from decda.core.training.trainer import Trainer
from tests.core.training.tape import TapeCapture
from tests.core.training.test_step import FailingCapture

N, K, D = 22, 3, 2
SHAPE = (1, 2, 2)


class Linear(Autoencoder):
    """The smallest autoencoder; records its inputs and its mode."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding_dim = D
        self.to_z = nn.Linear(4, D)
        self.to_x = nn.Linear(D, 4)
        self.seen: list[tuple[str, bool, Tensor]] = []

    def encode(self, x: Tensor) -> Tensor:
        self.seen.append(("encode", self.training, x.detach().clone()))
        return self.to_z(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        return self.to_x(z).view(-1, *SHAPE)


class Head(ClusteringHead):
    """A head whose targets depend on the number of refreshes, as with annealing."""

    def __init__(self) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(K, D))
        self.register_buffer("refreshes", torch.zeros(()))
        self.targets: list[Tensor] = []
        self.seeds: list[int] = []

    def init_centers(self, z: Tensor, seed: int) -> None:
        self.seeds.append(seed)
        self.centers.data.copy_(z[:K])

    def soft_assign(self, z: Tensor) -> Tensor:
        return student_t(z, self.centers)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        self.refreshes.add_(1)
        return torch.arange(N * K, dtype=torch.float32).view(N, K) + self.refreshes

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        self.targets.append(batch.target.clone())
        return {
            "pull": (batch.z - self.centers[0]).square().mean(),
            "rebuild": 0.1 * F.mse_loss(batch.decode(batch.z), batch.x),
        }


class Add:
    """An augmentation that adds a random number; records how many are drawn."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def sample(self, n: int, generator: Generator) -> Tensor:
        self.drawn.append(n)
        return torch.rand(n, 1, generator=generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x + params.view(-1, 1, 1, 1)


def images() -> Tensor:
    return torch.rand(N, *SHAPE, generator=Generator().manual_seed(0))


def make(notify: Callable[[Event], None] = lambda event: None, seed: int = 1, **train: Any) -> Trainer:
    settings: dict[str, Any] = {
        "pretrain_epochs": 3,
        "batch_size": 8,
        "max_iter": 10,
        "update_interval": 4,
        "tol": 0.0,
    }
    torch.manual_seed(0)
    config = TrainConfig(**{**settings, **train}).resolved(N)
    return Trainer(images(), Model(Linear(), Head(), Add()), config, seed=seed, notify=notify)


def weights(trainer: Trainer) -> bytes:
    tensors = [*trainer.model.autoencoder.state_dict().values(), *trainer.model.head.state_dict().values()]
    return b"".join(t.numpy().tobytes() for t in tensors)


def test_the_order_of_events() -> None:
    """The events are pretraining, initial centers, then iterations with a refresh at every interval."""
    events: list[Event] = []
    make(events.append).run()
    batches = [(e.number, e.total) for e in events if isinstance(e, BatchEnded)]
    assert batches == [(1, 2), (2, 2)] * 3
    events = [e for e in events if not isinstance(e, BatchEnded)]
    seen = [(type(e), getattr(e, "step", getattr(e, "iteration", getattr(e, "phase", "")))) for e in events]
    cluster = [(Progress, i) for i in range(1, 11)]
    assert seen == [
        (PhaseStarted, "pretrain"),
        *((Progress, i) for i in (1, 2, 3)),
        (PhaseEnded, "pretrain"),
        (PhaseStarted, "init_centers"),
        (Initialised, ""),
        (PhaseEnded, "init_centers"),
        (PhaseStarted, "cluster"),
        (Refreshed, 0),
        *cluster[:4],
        (Refreshed, 4),
        *cluster[4:8],
        (Refreshed, 8),
        *cluster[8:],
        (PhaseEnded, "cluster"),
    ]
    first, second = [e for e in events if isinstance(e, Refreshed)][:2]
    assert first.changed == 1.0
    assert not first.terms
    assert set(second.terms) == {"pull", "rebuild"}


def test_clustering_stops_when_few_labels_change() -> None:
    """Clustering stops at the first refresh after iteration 0 at which less than `tol` of the labels changed."""
    ends: list[PhaseEnded] = []
    trainer = make(lambda e: ends.append(e) if isinstance(e, PhaseEnded) else None, tol=1.0, cluster_learning_rate=1e-9)
    trainer.run()
    assert (ends[-1].steps, ends[-1].reason) == (4, "converged")


def test_clustering_in_stored_order_wraps_around() -> None:
    """With `order="stored"` batches cycle through the images in order; the target is constant between refreshes."""
    trainer = make(update_interval=4, max_iter=6, order="stored")
    trainer.run()
    whole = torch.arange(N * K, dtype=torch.float32).view(N, K)
    order = [slice(0, 8), slice(8, 16), slice(16, 22)] * 2
    refreshes = [1, 1, 1, 1, 2, 2]
    for seen, rows, count in zip(trainer.model.head.targets, order, refreshes, strict=True):
        assert torch.equal(seen, whole[rows] + count)


def test_clustering_shuffles_every_pass() -> None:
    """By default each pass takes every image once, in a new order that is determined by the seed."""
    trainer, again = make(max_iter=6, update_interval=100), make(max_iter=6, update_interval=100)
    trainer.run()
    again.run()
    walks = [torch.cat(trainer.model.head.targets[start : start + 3])[:, 0] for start in (0, 3)]
    for walk in walks:
        assert sorted(walk.tolist()) == [K * i + 1 for i in range(N)]
        assert walk.tolist() != sorted(walk.tolist())
    assert not torch.equal(*walks)
    assert all(map(torch.equal, trainer.model.head.targets, again.model.head.targets))


def test_no_empty_batch_if_the_set_divides_evenly() -> None:
    """If N is a multiple of the batch size, there is no empty batch after the last."""
    trainer = make(batch_size=11, max_iter=4)
    trainer.run()
    assert [len(t) for t in trainer.model.head.targets] == [11, 11, 11, 11]


def test_targets_come_from_clean_images_and_losses_from_augmented_ones() -> None:
    """A refresh embeds all clean images in eval mode; a step sees augmented images in train mode."""
    trainer = make(pretrain_epochs=1, max_iter=1)
    trainer.run()
    clean = images()
    for what, training, x in trainer.model.autoencoder.seen:
        assert what == "encode"
        if training:
            assert not torch.isin(x, clean).any()
        else:
            assert torch.equal(x, clean)
    assert {training for _, training, _ in trainer.model.autoencoder.seen} == {True, False}


@pytest.mark.parametrize(
    ("augment_in", "pretrain", "cluster"),
    [("both", True, True), ("pretrain", True, False), ("cluster", False, True), ("neither", False, False)],
)
def test_each_phase_is_augmented_or_not(augment_in: str, pretrain: bool, cluster: bool) -> None:
    """`augment_in` selects the phases in which images are augmented."""
    trainer = make(pretrain_epochs=1, max_iter=1, augment_in=augment_in)
    trainer.run()
    clean = images()
    seen = [bool(torch.isin(x, clean).all()) for _, training, x in trainer.model.autoencoder.seen if training]
    assert [not s for s in seen] == [pretrain] * (len(seen) - 1) + [cluster]


@pytest.mark.parametrize(("drop_last", "sizes"), [(True, [8, 8]), (False, [8, 8, 6]), (None, [8, 8])])
def test_the_partial_batch_of_pretraining(drop_last: bool | None, sizes: list[int]) -> None:
    """Augmented pretraining drops the partial batch as the authors do, unless `drop_last=False`."""
    trainer = make(pretrain_epochs=1, max_iter=0, drop_last=drop_last)
    trainer.run()
    assert [len(x) for _, training, x in trainer.model.autoencoder.seen if training] == sizes


def test_plain_pretraining_keeps_the_partial_batch() -> None:
    """Without augmentation an epoch has ceil(N / batch) steps."""
    trainer = make(pretrain_epochs=1, max_iter=0, augment_in="neither")
    trainer.run()
    assert [len(x) for _, training, x in trainer.model.autoencoder.seen if training] == [8, 8, 6]


def test_a_batch_is_never_larger_than_the_set() -> None:
    """A batch size above N is reduced to the whole set, so that no epoch is empty."""
    trainer = make(pretrain_epochs=1, max_iter=1, batch_size=1000)
    trainer.run()
    assert [len(x) for _, training, x in trainer.model.autoencoder.seen if training] == [N, N]


def test_pretraining_is_reshuffled_each_epoch() -> None:
    """Every epoch sees every image once, in a different order."""
    trainer = make(pretrain_epochs=2, max_iter=0, augment_in="neither", batch_size=N)
    trainer.run()
    first, second = (x for _, training, x in trainer.model.autoencoder.seen if training)
    assert not torch.equal(first, second)
    assert torch.equal(first.flatten().sort().values, second.flatten().sort().values)


def test_labels_are_those_of_the_final_weights() -> None:
    """Labels and confidences are computed once more after the last step."""
    trainer = make()
    trainer.run()
    q = student_t(trainer.model.autoencoder.encode(images()), trainer.model.head.centers)
    assert torch.equal(trainer.labels, q.argmax(1))
    assert torch.equal(trainer.confidence, q.max(1).values)


def test_uint8_images_are_divided_by_255() -> None:
    """uint8 images are converted to exactly v / 255, and float images are passed through."""
    x = torch.arange(256, dtype=torch.uint8).view(64, 1, 2, 2)
    assert torch.equal(as_float(x), x.double().div(255).float())
    y = torch.rand(2, 1, 2, 2)
    assert as_float(y) is y


def disturb(event: Event) -> None:
    """Draw from and reseed every global generator, as other code in the process may do."""
    torch.manual_seed(random.randrange(10**6))
    torch.rand(3)
    np.random.seed(np.random.randint(10**6))
    random.seed(random.random())


def test_global_generators_change_nothing() -> None:
    """Drawing from or reseeding the global generators during training changes no weight."""
    quiet, disturbed = make(), make(disturb)
    quiet.run()
    disturbed.run()
    assert weights(quiet) == weights(disturbed)


def test_training_draws_from_no_global_generator() -> None:
    """Training leaves the global generators untouched."""
    trainer = make()
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]
    trainer.run()
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # type: ignore[index]
    assert before[2] == random.getstate()


def test_another_seed_changes_the_training() -> None:
    """The seed affects the weights and the seed of the initial centers."""
    one = make()
    two = make(seed=2)
    one.run()
    two.run()
    assert weights(one) != weights(two)
    assert one.model.head.seeds != two.model.head.seeds


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_training_continues_bit_for_bit(optimizer: str) -> None:
    """The state between any two steps is complete: a new trainer continues to the same weights, labels and losses."""
    settings = {"pretrain_optimizer": optimizer, "cluster_optimizer": optimizer}

    def note(log: list[Any]) -> Callable[[Event], None]:
        return lambda e: log.append([float(t) for t in e.terms.values()]) if getattr(e, "terms", None) else None

    whole_log: list[Any] = []
    whole = make(note(whole_log), **settings)
    n_steps = sum(1 for _ in whole.steps())
    assert n_steps == 3 * 2 + 10 + 3  # batches, iterations, and the end of each phase
    for cut in range(1, n_steps + 1):
        log: list[Any] = []
        trainer = make(note(log), **settings)
        for _ in islice(trainer.steps(), cut):
            pass
        again = make(note(log), **settings)
        again.load_state_dict(torch.load(as_file(trainer.state_dict())))
        assert again.phase == trainer.phase
        again.run()
        assert weights(again) == weights(whole), cut
        assert torch.equal(again.labels, whole.labels), cut
        assert torch.equal(again.confidence, whole.confidence), cut
        assert log == whole_log, cut


def as_file(state: dict[str, Any]) -> Any:
    import io

    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def test_divergence_is_located() -> None:
    """A non-finite loss ends the training with an error that states the phase, the step and the learning rate."""
    trainer = make(pretrain_optimizer="sgd", pretrain_learning_rate=1e20)
    with pytest.raises(TrainingDiverged, match=r"epoch \d+ of pretraining.*1e\+20"):
        trainer.run()
    trainer = make(cluster_optimizer="sgd", cluster_learning_rate=1e30)
    with pytest.raises(TrainingDiverged, match=r"iteration \d+ of clustering.*1e\+30"):
        trainer.run()


@pytest.mark.parametrize("asked_each_step", [True, False])
@pytest.mark.parametrize(
    ("phase", "step", "told"),
    [
        ("pretrain", 4, "in step 4 of epoch 1 of pretraining"),
        ("pretrain", 7, "in step 2 of epoch 2 of pretraining"),  # five steps in an epoch
        ("cluster", 2, "at iteration 2 of clustering"),
        ("cluster", 7, "at iteration 7 of clustering"),  # a refresh every four
        ("cluster", 10, "at iteration 10 of clustering"),  # the last one
    ],
)
def test_the_step_that_diverged_is_named(
    monkeypatch: pytest.MonkeyPatch, asked_each_step: bool, phase: str, step: int, told: str
) -> None:
    """Also where the device is asked only now and then, as a GPU is, the very step and term are named."""
    calls: list[int] = []
    trainer = make(batch_size=4)
    method = "_reconstruction" if phase == "pretrain" else "_clustering"
    genuine = getattr(trainer, method)

    def spoil(index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        calls.append(1)
        terms = genuine(index, draws)
        first = next(iter(terms))
        return {**terms, first: terms[first] / (0.0 if len(calls) == step else 1.0)}

    monkeypatch.setattr(trainer, method, spoil)
    if not asked_each_step:
        monkeypatch.setattr(trainer, "_descend", lambda step, portion: step(portion.index, portion.draws))
    with pytest.raises(TrainingDiverged, match=f"{told} the loss term '(reconstruction|pull)' was not"):
        trainer.run()
    assert len(calls) == step or not asked_each_step


def test_a_state_that_is_not_finite_is_no_state() -> None:
    """Before anything is saved, loss terms and weights are checked, so that the last checkpoint stays a good one."""
    trainer = make()
    next(trainer.steps())
    trainer.check_finite()
    trainer.model.autoencoder.to_z.weight.data[0, 0] = float("inf")  # type: ignore[union-attr, operator, index]
    with pytest.raises(TrainingDiverged, match=r"the weight 'to_z\.weight' was not a finite number"):
        trainer.check_finite()


def test_the_last_steps_are_checked_too() -> None:
    """Divergence after the last refresh stops training at once; clustering is not reported as completed."""
    ends: list[Any] = []
    settings = {"cluster_optimizer": "sgd", "cluster_learning_rate": 1e30, "update_interval": 100, "max_iter": 5}
    trainer = make(lambda e: ends.append(e) if isinstance(e, PhaseEnded) else None, **settings)
    with pytest.raises(TrainingDiverged, match="at iteration 2 of clustering the loss term 'pull'"):
        trainer.run()
    assert [e.phase for e in ends] == ["pretrain", "init_centers"]


def test_loss_terms_must_not_change_during_training() -> None:
    """A head that starts to return another term breaks its contract; the term is not silently ignored."""
    trainer = make(pretrain_epochs=0)
    loss = trainer.model.head.loss

    def grow(*args: Any, **kwargs: Any) -> dict[str, Tensor]:
        terms = loss(*args, **kwargs)
        return {**terms, "late": terms["pull"]} if len(trainer.model.head.targets) > 2 else terms

    trainer.model.head.loss = grow  # type: ignore[method-assign]
    with pytest.raises(ContractViolation, match="late"):
        trainer.run()


@pytest.mark.parametrize("terms", [{}, {"pull": torch.ones(2)}, {"pull": 1.0}])
def test_a_loss_of_another_shape_breaks_the_contract(terms: Any) -> None:
    """Loss terms must be scalar tensors, and there must be at least one."""
    trainer = make(pretrain_epochs=0)
    trainer.model.head.loss = lambda *args, **kwargs: terms  # type: ignore[method-assign]
    with pytest.raises(ContractViolation, match="pull|no terms"):
        trainer.run()


def test_interleaved_trainings() -> None:
    """A training that is interleaved with another ends with the same weights as alone."""
    alone = make()
    alone.run()
    first, second = make(), make(batch_size=5)
    turns = [first.steps(), second.steps()]
    while turns:
        turns = [steps for steps in turns if next(steps, "over") is None]
    assert weights(first) == weights(alone)
    assert weights(second) != weights(alone)


def test_captured_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training with captured steps, partial batches included, equals plain training bit for bit."""
    monkeypatch.setattr(step_module, "GraphCapture", TapeCapture)
    TapeCapture.replayed = 0
    settings = {"max_iter": 40, "pretrain_epochs": 5, "drop_last": False}
    plain, captured = make(**settings), make(**settings)
    captured.mode = "graph"
    plain.run()
    captured.run()
    assert TapeCapture.replayed > 20
    assert weights(plain) == weights(captured)
    assert captured.mode == "graph"


def test_a_failed_mode_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a step cannot be captured, a single event states the reason, and all phases use plain steps."""
    monkeypatch.setattr(step_module, "GraphCapture", FailingCapture)
    events: list[Event] = []
    trainer, plain = make(events.append, pretrain_epochs=4), make(pretrain_epochs=4)
    trainer.mode = "graph"
    trainer.run()
    plain.run()
    seen = [event for event in events if isinstance(event, StepFallback)]
    assert seen == [StepFallback("graph", None, "RuntimeError: operation not permitted when stream is capturing")]
    assert weights(trainer) == weights(plain)


def test_a_failed_capture_names_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a part does what cannot be captured, the event names it and its own exception, not the capture's."""

    class Refusing(FailingCapture):
        def record(self, function: Callable[[], None]) -> Callable[[], None]:
            monkeypatch.setattr(Add, "apply", refuse)
            try:
                function()
            finally:
                monkeypatch.undo()
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    def refuse(self: Add, x: Tensor, params: Tensor) -> Tensor:
        raise RuntimeError("apply waited for the device")

    events: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_module, "GraphCapture", Refusing)
        trainer = make(events.append, pretrain_epochs=4)
        trainer.mode = "graph"
        trainer.run()
    seen = [event for event in events if isinstance(event, StepFallback)]
    assert seen == [StepFallback("graph", "augment", "RuntimeError: apply waited for the device")]


class Wide(Linear):
    """Records the number format of its embeddings."""

    def encode(self, x: Tensor) -> Tensor:
        z = super().encode(x)
        self.formats = {*getattr(self, "formats", set()), z.dtype}
        return z


class Strict(Head):
    """A head that asserts that all its inputs are float32."""

    def refresh(self, z: Tensor) -> Tensor:
        assert z.dtype == torch.float32
        return super().refresh(z)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        assert {batch.z.dtype, batch.target.dtype, batch.x.dtype, batch.decode(batch.z).dtype} == {torch.float32}
        return super().loss(batch)


def test_bfloat16() -> None:
    """With bfloat16 only the network computes in it; heads, losses and weights are float32, and results are close."""
    plain = make()
    plain.run()
    config = TrainConfig(pretrain_epochs=3, batch_size=8, max_iter=10, update_interval=4, tol=0, precision="bfloat16")
    torch.manual_seed(0)
    trainer = Trainer(images(), Model(Wide(), Strict(), Add()), config.resolved(N), seed=1)
    trainer.run()
    assert trainer.model.autoencoder.formats == {torch.bfloat16}  # type: ignore[union-attr]
    assert {weight.dtype for weight in trainer.model.autoencoder.parameters()} == {torch.float32}
    assert trainer.model.embed(images()).dtype == torch.float32
    torch.testing.assert_close(trainer.model.embed(images()), plain.model.embed(images()), rtol=0.05, atol=0.05)
    assert not torch.equal(trainer.model.embed(images()), plain.model.embed(images()))


def test_a_fallback_outlasts_an_interruption() -> None:
    """A training that went on with plain steps goes on with them after it was restored, too."""
    trainer = make()
    next(trainer.steps())
    state = trainer.state_dict()
    again = make()
    again.mode = "compiled"
    again.load_state_dict(state)
    assert again.mode == "plain"
    assert again.step is not None
    assert again.step.mode == "plain"


class Sized(Head):
    """A head of as many clusters as it is told."""

    def __init__(self, n_clusters: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(n_clusters, D))

    def init_centers(self, z: Tensor, seed: int) -> None:
        self.centers.data.copy_(z[: len(self.centers)])

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        return student_t(z, self.centers)


def count(notify: Callable[[Event], None] = lambda event: None) -> Trainer:
    """A trainer that counts between 2 and 6 clusters."""
    torch.manual_seed(0)
    config = TrainConfig(
        pretrain_epochs=1, batch_size=8, max_iter=6, update_interval=2, tol=0.0, n_clusters_range=(2, 6)
    ).resolved(N)
    model = Model(Linear(), Sized(6), Add())
    return Trainer(images(), model, config, seed=1, notify=notify, make_head=Sized)


def test_clusters_are_counted_before_centers_are_placed() -> None:
    """The number comes from the pretrained embeddings; head and target have it from then on."""
    events: list[Event] = []
    trainer = count(events.append)
    assert trainer.n_clusters is None
    trainer.run()
    (counted,) = [event for event in events if isinstance(event, ClustersCounted)]
    (placed,) = [event for event in events if isinstance(event, Initialised)]
    assert events.index(counted) == events.index(placed) - 1
    expected = count_clusters(placed.embeddings, derive_seed(1, "count"), range(2, 7))
    assert (counted.n_clusters, counted.curve) == (expected.n_clusters, expected.curve)
    assert trainer.n_clusters == len(trainer.model.head.centers) == trainer.target.shape[1] == expected.n_clusters


def test_a_given_number_is_not_counted() -> None:
    """Without a maker of heads nothing is counted, and the number is that of the head."""
    events: list[Event] = []
    trainer = make(events.append)
    assert trainer.n_clusters == K
    trainer.run()
    assert not any(isinstance(event, ClustersCounted) for event in events)


def test_counting_goes_on_from_any_step() -> None:
    """A trainer that counts can be saved between any two steps; another goes on from there to the same weights."""
    whole = count()
    whole.run()
    total = sum(1 for _ in count().steps())
    for steps in range(1, total):
        begun = count()
        work = begun.steps()
        for _ in range(steps):
            next(work)
        state = begun.state_dict()
        again = count()
        again.load_state_dict(state)
        again.run()
        assert again.n_clusters == whole.n_clusters
        assert weights(again) == weights(whole), steps
        assert torch.equal(again.labels, whole.labels)


class Follower(Head):
    """A head of version 3, whose centers are placed by the labels of the start."""

    def init_centers(self, z: Tensor, labels: Tensor) -> None:  # type: ignore[override]
        self.centers.data.copy_(cluster_means(z, labels, K))


def led(**train: Any) -> Trainer:
    config = TrainConfig(
        **{"pretrain_epochs": 1, "batch_size": 8, "max_iter": 10, "update_interval": 4, "tol": 0.0, **train}
    )
    torch.manual_seed(0)
    start = torch.arange(N) % K
    return Trainer(
        images(), Model(Linear(), Follower(), Add()), config.resolved(N), seed=1, start=lambda z, k, seed, views: start
    )


def test_the_first_refreshes_follow_the_start() -> None:
    """For so many refreshes the target is .8 on the cluster of the start and the rest shared; then it is the head's."""
    trainer = led(start_refreshes=2, order="stored")
    trainer.run()
    expected = torch.full((N, K), 0.1).scatter_(1, (torch.arange(N) % K).unsqueeze(1), 0.8)
    own = torch.arange(N * K, dtype=torch.float32).view(N, K)
    for iteration, target in enumerate(trainer.model.head.targets):
        whole = expected if iteration < 8 else own + 3  # the third refresh of the head, whose buffers moved meanwhile
        rows = torch.arange(N).split(8)[iteration % 3]
        assert torch.allclose(target, whole[rows]), iteration


def test_training_does_not_end_while_it_follows_the_start() -> None:
    """Labels that stay are no sign of convergence as long as the target is the start's."""
    ends = []
    for refreshes in (0, 2):
        trainer = led(start_refreshes=refreshes, tol=1.0, max_iter=20)
        trainer.notify = lambda event: ends.append(event.steps) if isinstance(event, PhaseEnded) else None
        trainer.run()
    # With a tolerance of 1 every second refresh is the last, except where fewer than all labels changed.
    assert ends[2] < ends[5]
    assert ends[5] == 12


def test_a_head_without_a_start_follows_none() -> None:
    """Training of a head of version 2 ends where it would have ended if no refresh followed the start."""
    ends = []
    for refreshes in (0, 2):
        trainer = make(start_refreshes=refreshes, tol=1.0, max_iter=20)
        trainer.notify = lambda event: ends.append(event.steps) if isinstance(event, PhaseEnded) else None
        trainer.run()
    assert ends[2] == ends[5] < 12


def test_the_start_may_ask_for_augmented_copies() -> None:
    """It gets as many embeddings of the whole set as it wants, each of other draws, and the same ones each time."""
    got: list[list[Tensor]] = []

    def start(z: Tensor, n_clusters: int, seed: int, views: Any) -> Tensor:
        got.extend([list(views(3)), list(views(3)), [z]])
        return torch.arange(N) % K

    config = TrainConfig(pretrain_epochs=1, batch_size=8, max_iter=1).resolved(N)
    trainer = Trainer(images(), Model(Linear(), Follower(), Add()), config, seed=1, start=start)
    trainer.run()
    first, second, (clean,) = got
    assert len(first) == 3
    assert all(view.shape == (N, D) for view in first)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not any(torch.equal(view, clean) for view in first)


def test_without_augmentation_copies_are_the_clean_images() -> None:
    """`augment_in=neither`: an encoder that never saw augmented images is not asked to embed some."""
    seen: list[tuple[Tensor, Tensor]] = []

    def start(z: Tensor, n_clusters: int, seed: int, views: Any) -> Tensor:
        seen.extend((z, view) for view in views(2))
        return torch.arange(N) % K

    config = TrainConfig(pretrain_epochs=1, batch_size=8, max_iter=1, augment_in="neither").resolved(N)
    Trainer(images(), Model(Linear(), Follower(), Add()), config, seed=1, start=start).run()
    assert len(seen) == 2
    assert all(torch.equal(z, view) for z, view in seen)


class Moving(Follower):
    """A head that moves its centers at each refresh, as `dcn` may."""

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        self.centers.copy_(z[:K])
        return super().refresh(z)


@pytest.mark.parametrize("head", [Follower, Moving])
def test_the_model_may_go_back_to_the_start_of_clustering(head: type[Head]) -> None:
    """With `keep=better` the weights of the first refresh are kept, and `go_back` brings them back with its labels."""
    begun: list[tuple[bytes, Tensor]] = []

    def note(event: Event) -> None:
        if isinstance(event, Refreshed) and event.iteration == 0:
            begun.append((weights(trainer), event.labels.clone()))

    trainer = led(keep="better")
    trainer.model, trainer.notify = replace(trainer.model, head=head()), note
    trainer.run()
    ((before, labels),) = begun
    assert weights(trainer) != before
    trainer.go_back()
    assert weights(trainer) == before
    assert torch.equal(trainer.labels, labels)
    with torch.no_grad():
        q = trainer.model.head.soft_assign(trainer.model.embed(trainer.images))
    assert torch.equal(trainer.labels, q.argmax(1))
    assert torch.equal(trainer.confidence, q.amax(1))
    assert led().initial is None
