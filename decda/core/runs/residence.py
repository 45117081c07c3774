"""Where the images of a run stay while it trains: on its device, or in memory or a mapped file, streamed by batch."""

import torch
from torch import Tensor

from decda.core.mapped_files import find_mapping
from decda.core.process.launch import processes_here
from decda.core.process.memory import read_memory
from decda.core.training.images import ImagesMode

SHARE = 0.5
"""The share of the free memory that images may take: the network, its activations and the embeddings need some, too."""


def resolve_images(requested: str, x: Tensor, device: torch.device, n_processes: int = 1) -> ImagesMode:
    """Choose where images stay.

    Args:
        requested: a mode, or `auto`: resident if they fit into `SHARE` of the memory that is free, which images that
            lie in memory already do, for a CPU.
        x: images (N, C, H, W), on the CPU.
        device: where the run trains.
        n_processes: how many share the run; each holds its part of the images.

    Returns:
        The mode.

    Example:
        >>> resolve_images("auto", torch.zeros(2, 1, 8, 8), torch.device("cpu"))
        'resident'
    """
    if requested != "auto":
        return requested  # type: ignore[return-value]
    if device.type == "cuda":
        free: int | None = torch.cuda.mem_get_info(device)[0]
    elif device.type == "cpu" and find_mapping(x) is None:
        return "resident"
    else:
        free = read_memory()[1]
    size = x.numel() * x.element_size() / n_processes
    if device.type != "cuda":
        size *= min(processes_here(), n_processes)  # which share the memory of their machine
    return "streamed" if free is not None and size > SHARE * free else "resident"
