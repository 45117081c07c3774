"""The rules for encoders, with encoders that break each of them."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
import torch
from torch import Tensor, nn

from decda.core.contracts import Autoencoder
from decda.testing import check_autoencoder
from tests.testing.breakages import Breakage, failures


class Sound(Autoencoder):
    """Updates running means in place, like batch normalisation."""

    def __init__(
        self, input_shape: tuple[int, int, int], *, embedding_dim: Annotated[int, "dimensions of the embedding"] = 4
    ) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.shape = input_shape
        size = input_shape[0] * input_shape[1] * input_shape[2]
        self.there = nn.Linear(size, embedding_dim)
        self.back = nn.Linear(embedding_dim, size)
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(size))

    def encode(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.mean(0), 0.1)
        return self.there(x - self.mean)

    def decode(self, z: Tensor) -> Tensor:
        return self.back(z).view(-1, *self.shape)


def test_a_sound_encoder_passes() -> None:
    """An encoder with running means breaks no rule."""
    check_autoencoder(Sound)
    check_autoencoder(Sound, embedding_dim=7)


class Picky(Sound):
    """Refuses some images."""

    refuses: Callable[[tuple[int, ...]], bool]

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        if type(self).refuses(input_shape):
            raise ValueError("no such images")
        super().__init__(input_shape)


@pytest.mark.parametrize(
    ("refuses", "rule"),
    [
        (lambda shape: shape[1] < 32, None),
        (lambda shape: min(shape[1:]) < 96, None),
        (lambda shape: shape[0] == 3, "colour images"),
        (lambda shape: shape[1] != shape[2], "non-square images"),
    ],
)
def test_small_images_may_be_refused(refuses: Any, rule: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder may refuse images that are too small by ValueError, but not a whole kind of images."""
    monkeypatch.setattr(Picky, "refuses", staticmethod(refuses), raising=False)
    seen = failures("encoder", Picky)
    assert set(seen) == ({rule} if rule else set())
    assert all(f"it accepts no {rule}: (" in words and "no such images" in words for words in seen.values())


class WantsNothing(Sound):
    def __init__(self) -> None:
        super().__init__((1, 16, 16))


class NotAnEncoder(nn.Module):
    embedding_dim = 4

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__()


class NoDimension(Sound):
    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__(input_shape)
        del self.embedding_dim


class Weightless(Sound):
    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__(input_shape)
        self.requires_grad_(False)


class GrayOnly(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x[:, :1].repeat(1, self.shape[0], 1, 1)).double()


class NoColour(Sound):
    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__((1, *input_shape[1:]))


class EvenOnly(Sound):
    def decode(self, z: Tensor) -> Tensor:
        x = super().decode(z)
        return x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]


class SquareOnly(Sound):
    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z).transpose(2, 3)


class Normed(Sound):
    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__(input_shape)
        self.norm = nn.BatchNorm1d(self.embedding_dim)

    def encode(self, x: Tensor) -> Tensor:
        return self.norm(super().encode(x))


class Whitening(Sound):
    def encode(self, x: Tensor) -> Tensor:
        z = super().encode(x)
        return z - z.mean(0)


class Unused(Sound):
    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__(input_shape)
        self.spare = nn.Linear(2, 2)


class Detached(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x).detach()


class Stopped(Sound):
    """The decoder learns, but the encoder does not."""

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x).detach() + 0 * self.there.weight.sum() + 0 * self.there.bias.sum()


class Dropping(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().encode(x), 0.5, self.training)


class Replacing(Sound):
    def encode(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.flatten(1).mean(0)
        return self.there(x.flatten(1) - self.mean)


class Caching(Sound):
    def encode(self, x: Tensor) -> Tensor:
        self.last = x.shape
        return super().encode(x)


class Reading(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) if bool(x.max() <= 1) else super().encode(x / 255)


class Homebound(Sound):
    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z) + torch.zeros(self.shape)


class Single(Sound):
    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z).float()


class Writing(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x.sub_(0.5))


class Forgetful(Sound):
    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__(input_shape)
        self.register_buffer("noise", torch.rand(self.embedding_dim), persistent=False)

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) + self.noise


class Unpicklable(Sound):
    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__(input_shape)
        self.activation = lambda z: z.relu()


class Normalising(Sound):
    def encode(self, x: Tensor) -> Tensor:
        spread = x.flatten(1).std(1).view(-1, 1, 1, 1)
        return super().encode((x - 0.5) / spread)


class Loud(Sound):
    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__(input_shape)
        print("made an encoder")


class Exploding(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) / (self.mean.sum() < 1000) if not self.training else super().encode(x) * 1e30


class Centering(Sound):
    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z - z.mean(0))


class Learning(Sound):
    def encode(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.mean.lerp_(x.flatten(1).mean(0), 0.1)
        return self.there(x.flatten(1) - self.mean)


class Small(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) + torch.zeros(64, self.embedding_dim, dtype=x.dtype, device=x.device)[: len(x)]


class KeepingInEval(Sound):
    def encode(self, x: Tensor) -> Tensor:
        if not self.training:
            self.skip = x
        return super().encode(x)


class ReadingInEval(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x if self.training or x.max().item() <= 1 else x / 255)


class WritingInEval(Sound):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x if self.training else x.sub_(0.5))


BREAKAGES = [
    Breakage("inputs", WritingInEval, "encode changes its input x in place"),
    Breakage("in place", KeepingInEval, "encoding or decoding in eval mode changes the attribute 'skip'"),
    Breakage("device", ReadingInEval, "meta"),
    Breakage("independence", Centering, "reconstructions of an image alone and in a batch differ"),
    Breakage("independence", Learning, "in eval mode, encode returns different values when called again"),
    Breakage("independence", Small, "RuntimeError"),
    Breakage("signature", WantsNothing, "'input_shape' is missing from the signature () -> None"),
    Breakage("type", NotAnEncoder, "it must be an Autoencoder, not a NotAnEncoder"),
    Breakage("type", NoDimension, "embedding_dim is None"),
    Breakage("type", Weightless, "no trainable weights"),
    Breakage("gray images", GrayOnly, "encode of (1, 16, 16) must be float32 of shape (6, 4); it is float64"),
    Breakage("colour images", NoColour, "RuntimeError"),
    Breakage("odd images", EvenOnly, "decode for (1, 17, 17) must be float32 of shape (6, 1, 17, 17); it is float32"),
    Breakage("non-square images", SquareOnly, "(6, 1, 24, 13)"),
    Breakage("batch of one", Normed, "ValueError: Expected more than 1 value per channel"),
    Breakage("independence", Whitening, "the embeddings of an image alone and in a batch differ"),
    Breakage("gradients", Unused, "'spare.weight' gets no gradient from the reconstruction"),
    Breakage("gradients", Detached, "gets no gradient"),
    Breakage("gradients", Stopped, "no gradient of the embedding reaches a weight"),
    Breakage("determinism", Dropping, "encode returns different values for equal weights and images"),
    Breakage("global generators", Dropping, "of torch;"),
    Breakage("in place", Replacing, "replaces 'mean' with a new tensor"),
    Breakage("in place", Caching, "'last'"),
    Breakage("dtype", Single, "decode in float64 must be float64"),
    Breakage("device", Reading, "meta"),
    Breakage("device", Homebound, "device"),
    Breakage("inputs", Writing, "encode changes its input x in place"),
    Breakage("state_dict", Forgetful, "encode before and after its weights were saved and loaded"),
    Breakage("copies", Unpicklable, "pickle fails"),
    Breakage("degenerate images", Normalising, "the reconstruction of black images is nan"),
    Breakage("stdout", Loud, "made an encoder"),
    Breakage("training", Exploding, "Training diverged"),
]
