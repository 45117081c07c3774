"""The two optimizers of the paper, as Keras computes them."""

from collections.abc import Callable, Iterable
from math import log

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-7


def make_optimizer(
    weights: list[nn.Parameter],
    name: str,
    learning_rate: float,
    momentum: float,
    device: torch.device,
) -> torch.optim.Optimizer:
    """`sgd` with momentum, which Keras and PyTorch compute alike at a constant rate, or `adam` as Keras does."""
    if name == "sgd":
        return torch.optim.SGD(weights, learning_rate, momentum, fused=device.type in ("cpu", "cuda"))
    return KerasAdam(weights, learning_rate)


class KerasAdam(torch.optim.Optimizer):
    """Adam at Keras's defaults, whose epsilon is added before the bias of the second moment is corrected.

    m <- .9 m + .1 g,  v <- .999 v + .001 g^2,  w <- w - lr sqrt(1 - .999^t) / (1 - .9^t) m / (sqrt(v) + 1e-7)

    `torch.optim.Adam` divides v by 1 - .999^t first: the same epsilon thus weighs 30 times less at the first step, and
    the same from some thousand on. As Keras does, all weights count the same steps, a weight without a gradient too;
    on the device, so that a CUDA graph counts on.

    Args:
        weights: to descend with.
        learning_rate: lr.

    Reference:
        Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015, section 2, the order of computation at the
        end, with its epsilon hat; Keras 2, `keras.optimizers.Adam`.
    """

    def __init__(self, weights: Iterable[nn.Parameter], learning_rate: float):
        super().__init__(weights, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Descend by the gradients that the weights hold."""
        assert closure is None
        for group in self.param_groups:
            self._count(group["params"])
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._descend(weights, [weight.grad for weight in weights], group["lr"])

    def _count(self, weights: list[Tensor]) -> None:
        for weight in weights:
            if not self.state[weight]:
                # Never less exact than float32, which counts beyond all that is trained.
                dtype = torch.promote_types(weight.dtype, torch.float32)
                count = torch.zeros((), dtype=dtype, device=weight.device)
                self.state[weight] = {"count": count, "m": torch.zeros_like(weight), "v": torch.zeros_like(weight)}
        torch._foreach_add_([self.state[weight]["count"] for weight in weights], 1)

    def _descend(self, weights: list[Tensor], gradients: list[Tensor], learning_rate: float) -> None:
        states = [self.state[weight] for weight in weights]
        m, v = ([state[name] for state in states] for name in ("m", "v"))
        torch._foreach_lerp_(m, gradients, 1 - BETAS[0])
        torch._foreach_mul_(v, BETAS[1])
        torch._foreach_addcmul_(v, gradients, gradients, 1 - BETAS[1])
        # 1 - beta^t by expm1: in float32 the plain difference would lose four digits at the first step.
        count = states[0]["count"]
        first, second = (-torch.expm1(count * log(beta)) for beta in BETAS)
        roots = torch._foreach_sqrt(v)
        torch._foreach_add_(roots, EPSILON)
        torch._foreach_mul_(roots, -first / (second.sqrt() * learning_rate))
        torch._foreach_addcdiv_(weights, m, roots)
