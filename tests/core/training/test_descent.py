"""How a phase descends: each phase has its own optimizer and schedule."""

import torch
from torch import Tensor, nn

from decda.core.config.train_config import TrainConfig
from decda.core.training.descent import make_descent

CPU = torch.device("cpu")


def test_each_phase_has_its_own_settings() -> None:
    """Optimizer, learning rate and momentum are those of the phase; a constant rate needs no schedule."""
    config = TrainConfig(pretrain_optimizer="sgd", pretrain_learning_rate=0.5, cluster_learning_rate=0.25)
    weight = nn.Parameter(torch.zeros(2))
    sgd, none = make_descent([weight], config, "pretrain", 10, CPU, captured=False)
    adam, _ = make_descent([weight], config, "cluster", 10, CPU, captured=False)
    assert (type(sgd).__name__, sgd.param_groups[0]["lr"], sgd.param_groups[0]["momentum"]) == ("SGD", 0.5, 0.9)
    assert (type(adam).__name__, adam.param_groups[0]["lr"]) == ("KerasAdam", 0.25)
    assert none is None


def test_a_captured_graph_reads_a_moving_rate_from_a_tensor() -> None:
    """Because it would replay a number as it was; a rate that stays is a number in any case."""
    weight = nn.Parameter(torch.zeros(2))
    for captured in (False, True):
        config = TrainConfig(cluster_schedule="linear")
        optimizer, schedule = make_descent([weight], config, "cluster", 4, CPU, captured=captured)
        rate = optimizer.param_groups[0]["lr"]
        assert isinstance(rate, Tensor) is captured
        optimizer.step()
        assert schedule is not None
        schedule.step()
        assert float(optimizer.param_groups[0]["lr"]) < 0.001
        assert (optimizer.param_groups[0]["lr"] is rate) is captured
        constant, _ = make_descent([weight], TrainConfig(), "cluster", 4, CPU, captured=captured)
        assert not isinstance(constant.param_groups[0]["lr"], Tensor)
