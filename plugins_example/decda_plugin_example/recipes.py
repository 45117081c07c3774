"""The recipe `residual-dkm`: which parts to combine, and which settings differ from their defaults. Data, no code.

A bare name refers to a part of this package; parts of other packages are prefixed with the package.
"""

from typing import Any

# Why each setting, apart from labels. Size: at 16, the tips of a star are thinner than a pixel. Batch size: of 32, 64
# and 128, 32 reconstructs unseen shapes best after 40 seconds on one thread (.0064, .0073, .0106). Degrees: shapes have
# random orientations, so rotation carries no information; it affects the reconstruction less than a change of seed.
# Weight: of six clusters, the paper's 1 leaves one or two empty for each of three seeds, .3 leaves one empty for one of
# two seeds, .1 none. Iterations: 40 refreshes at the default interval, one for each value of alpha. Epochs: what fits
# into the rest of a minute. The accuracies for these weights were seen, too.
RESIDUAL_DKM: dict[str, Any] = {
    "dataset": {"name": "shapes", "size": 24},
    "encoder": "residual",
    "head": {"name": "dkm", "weight": 0.1},
    "augment": {"name": "decda:affine", "degrees": 180.0},
    "train": {"pretrain_epochs": 30, "batch_size": 32, "max_iter": 1200},
}
"""Deep k-Means with a residual autoencoder on generated shapes; takes a minute on a CPU."""
