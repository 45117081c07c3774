"""The named composition: which parts, and what differs from their defaults. Data, no code.

A bare name means a part of this package; a part of another is named with its package.
"""

from typing import Any

# What speaks for each setting, labels apart. Size: at 16 the tips of a star are thinner than a pixel. Batch: of 32, 64
# and 128, in 40 seconds on one thread, 32 reconstruct shapes not seen before best (.0064, .0073, .0106). Degrees: the
# shapes lie turned by any angle, so that a turn says nothing; it costs the reconstruction less than another seed does.
# Weight: of six clusters the paper's 1 leaves one or two without images in each of three seeds, .3 one in one of two
# seeds, .1 none. Iterations: 40 refreshes at the default interval, as many as alpha takes values. Epochs: what a minute
# has left. The accuracies of these weights were seen, too.
RESIDUAL_DKM: dict[str, Any] = {
    "dataset": {"name": "shapes", "size": 24},
    "encoder": "residual",
    "head": {"name": "dkm", "weight": 0.1},
    "augment": {"name": "decda:affine", "degrees": 180.0},
    "train": {"pretrain_epochs": 30, "batch_size": 32, "max_iter": 1200},
}
"""Deep k-Means with a residual autoencoder on drawn shapes: a minute on a CPU."""
