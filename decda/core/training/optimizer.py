"""The two optimizers used in the paper, SGD and Adam, computed as in Keras."""

import inspect
from collections.abc import Callable, Iterable
from math import log

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
"""Decay rates of the first and second moment in Adam, Keras's defaults."""
EPSILON = 1e-7
"""Added to the square root of Adam's second moment, Keras's default."""


def make_optimizer(
    weights: list[nn.Parameter],
    name: str,
    learning_rate: float | Tensor,
    momentum: float,
    device: torch.device,
) -> torch.optim.Optimizer:
    """Make an optimizer that computes what Keras's does.

    Args:
        weights: the parameters to optimize.
        name: `sgd`, with momentum, which Keras and PyTorch compute alike at a constant learning rate; or `adam`, see
            `KerasAdam`.
        learning_rate: the learning rate; a tensor where a captured graph must see it move.
        momentum: the momentum of `sgd`; `adam` ignores it.
        device: the device of the weights.

    Returns:
        The optimizer.

    Example:
        >>> weight = nn.Parameter(torch.zeros(3))
        >>> type(make_optimizer([weight], "adam", 0.001, 0.9, torch.device("cpu"))).__name__
        'KerasAdam'
    """
    if name == "sgd":
        return SGD(weights, learning_rate, momentum, fused=device.type in ("cpu", "cuda"))
    return KerasAdam(weights, learning_rate)


class _Optimizer(torch.optim.Optimizer):
    """An optimizer that does without PyTorch's compiler.

    PyTorch's own methods import it, which takes a second or two, only to be hidden from it. Of our optimizers nothing
    is compiled, also where `train.step` is `compiled`.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class SGD(_Optimizer, torch.optim.SGD):
    """PyTorch's stochastic gradient descent, see `_Optimizer`; its arguments are those of `torch.optim.SGD`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class KerasAdam(_Optimizer):
    """Adam with Keras's defaults, which adds epsilon before it corrects the bias of the second moment.

    m <- .9 m + .1 g,  v <- .999 v + .001 g^2,  w <- w - lr sqrt(1 - .999^t) / (1 - .9^t) m / (sqrt(v) + 1e-7)

    `torch.optim.Adam` divides v by 1 - .999^t first, so that the same epsilon has 30 times less weight there at the
    first step, and the same weight after some thousand steps. As in Keras, all weights share the step count t, also
    those without a gradient. The count is kept on the device, so that a CUDA graph can advance it.

    Args:
        weights: the parameters to optimize.
        learning_rate: lr.

    Reference:
        Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015, the efficient order of computation at the
        end of section 2, with its epsilon hat; Keras 2, `keras.optimizers.Adam`.

    Example:
        >>> weight = nn.Parameter(torch.tensor(1.0))
        >>> weight.grad = torch.tensor(5.0)
        >>> KerasAdam([weight], 0.25).step()
        >>> round(weight.item(), 4)
        0.75
    """

    def __init__(self, weights: Iterable[nn.Parameter], learning_rate: float | Tensor):
        super().__init__(weights, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the weights from their gradients.

        Args:
            closure: must be None; re-evaluating the loss is not supported.
        """
        assert closure is None
        for group in self.param_groups:
            self._count(group["params"])
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._descend(weights, [weight.grad for weight in weights], group["lr"])

    def _count(self, weights: list[Tensor]) -> None:
        for weight in weights:
            if not self.state[weight]:
                # At least float32, which counts exactly to 2^24 steps, more than any training takes.
                dtype = torch.promote_types(weight.dtype, torch.float32)
                count = torch.zeros((), dtype=dtype, device=weight.device)
                self.state[weight] = {"count": count, "m": torch.zeros_like(weight), "v": torch.zeros_like(weight)}
        torch._foreach_add_([self.state[weight]["count"] for weight in weights], 1)

    def _descend(self, weights: list[Tensor], gradients: list[Tensor], learning_rate: float | Tensor) -> None:
        states = [self.state[weight] for weight in weights]
        m, v = ([state[name] for state in states] for name in ("m", "v"))
        torch._foreach_lerp_(m, gradients, 1 - BETAS[0])
        torch._foreach_mul_(v, BETAS[1])
        torch._foreach_addcmul_(v, gradients, gradients, 1 - BETAS[1])
        # 1 - beta^t by expm1: in float32 the plain difference would lose four digits in the first step.
        count = states[0]["count"]
        first, second = (-torch.expm1(count * log(beta)) for beta in BETAS)
        roots = torch._foreach_sqrt(v)
        torch._foreach_add_(roots, EPSILON)
        torch._foreach_mul_(roots, -first / (second.sqrt() * learning_rate))
        torch._foreach_addcdiv_(weights, m, roots)
