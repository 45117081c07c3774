"""The data set `digits`: the handwritten digits that ship with scikit-learn."""

from typing import Annotated

import torch
from sklearn.datasets import load_digits
from torch.nn.functional import interpolate

from decda.core.contracts import ImageSet

STORED_SIZE = 8
MAX_SIZE = 64


def digits(
    *, size: Annotated[int, "side in pixels, 8 to 64; larger than the stored 8 enlarges bilinearly"] = STORED_SIZE
) -> ImageSet:
    """Digits: the 1,797 handwritten digits of scikit-learn, 8x8 or enlarged; needs no download.

    The stored gray values, 0 to 16, are divided by 16.

    Returns:
        x float32 (1797, 1, size, size) in [0, 1]; y int64 (1797,), 0 to 9.

    Raises:
        ValueError: size is outside [8, 64].

    Reference:
        Alpaydin, Kaynak: Optical Recognition of Handwritten Digits (test part), UCI Machine Learning Repository, 1998.

    Example:
        >>> images = digits(size=16)
        >>> images.x.shape, images.y[:5].tolist()
        (torch.Size([1797, 1, 16, 16]), [0, 1, 2, 3, 4])
    """
    if not STORED_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size must be in [{STORED_SIZE}, {MAX_SIZE}], it is {size}")
    stored = load_digits()
    x = torch.as_tensor(stored.images, dtype=torch.float32).unsqueeze(1) / 16  # (N, 1, 8, 8)
    if size != STORED_SIZE:
        # Interpolation weights sum to 1 only up to rounding, so values may leave [0, 1] by one unit in the last place.
        x = interpolate(x, size=(size, size), mode="bilinear", align_corners=False).clamp(0, 1)
    return ImageSet(x, torch.as_tensor(stored.target, dtype=torch.int64))
