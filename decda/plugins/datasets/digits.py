"""The digits embedded in scikit-learn: small, offline, the data set to start with."""

from typing import Annotated

import torch
from sklearn.datasets import load_digits
from torch.nn.functional import interpolate

from decda.core.contracts import ImageSet

SIDE = 8
LARGEST = 64


def digits(
    *, size: Annotated[int, "side in pixels, 8 to 64; 8 as stored, larger enlarged bilinearly"] = SIDE
) -> ImageSet:
    """Digits: 1,797 handwritten digits of scikit-learn, 8x8 or enlarged, embedded: needs no download.

    The stored gray values 0..16 are divided by 16.

    Returns:
        x float32 (1797, 1, size, size) in [0, 1]; y int64 (1797,), 0 to 9.

    Raises:
        ValueError: size is not in 8..64.

    Reference:
        E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (test part), UCI Machine Learning
        Repository, 1998.
    """
    if not SIDE <= size <= LARGEST:
        raise ValueError(f"size must be in {SIDE}..{LARGEST}, got {size}")
    stored = load_digits()
    x = torch.as_tensor(stored.images, dtype=torch.float32).unsqueeze(1) / 16  # (N, 1, 8, 8)
    if size != SIDE:
        # Weights that sum to 1 only up to rounding may leave [0, 1] by a last bit.
        x = interpolate(x, size=(size, size), mode="bilinear", align_corners=False).clamp(0, 1)
    return ImageSet(x, torch.as_tensor(stored.target, dtype=torch.int64))
