"""Deep embedded clustering with data augmentation, assembled from plugins.

>>> import decda
>>> run = decda.train("digits", encoder="fc", train={"pretrain_epochs": 1, "max_iter": 4}, progress=False)
>>> run.labels.shape
(1797,)

Everything named here loads when it is first used: `import decda` itself loads no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decda.api import components, load, train
    from decda.core.errors import DecdaError
    from decda.core.parts.registry import Registry
    from decda.core.runs.run import Run
    from decda.estimator import DeepClustering
    from decda.seeds import train_seeds
    from decda.several import combine, judge

__version__ = "0.1.0"
__all__ = [
    "DecdaError",
    "DeepClustering",
    "Registry",
    "Run",
    "combine",
    "components",
    "judge",
    "load",
    "train",
    "train_seeds",
]

_HOMES = {
    "DecdaError": "decda.core.errors",
    "DeepClustering": "decda.estimator",
    "Registry": "decda.core.parts.registry",
    "Run": "decda.core.runs.run",
    "combine": "decda.several",
    "components": "decda.api",
    "judge": "decda.several",
    "load": "decda.api",
    "train": "decda.api",
    "train_seeds": "decda.seeds",
}


if not TYPE_CHECKING:  # or a type checker would believe in any name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'decda' has no attribute {name!r}; it has {', '.join(__all__)}")
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
