"""Defects of a part that its class reveals."""

from typing import Any

import pytest

from decda.core.contracts import ClusteringHead
from decda.core.parts.class_checks import class_defect
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.idec import IDEC


class Abstract(ClusteringHead):
    def init_centers(self, z: Any, seed: int) -> None: ...

    def refresh(self, z: Any) -> Any: ...


class Foreign:
    pass


class Factory:
    def __new__(cls, n_clusters: int, embedding_dim: int) -> Any:
        return IDEC(n_clusters, embedding_dim)


@pytest.mark.parametrize(
    ("kind", "factory", "defect"),
    [
        ("head", IDEC, None),
        ("encoder", FcAutoencoder, None),
        ("head", FcAutoencoder, "derived from decda.core.contracts.ClusteringHead"),
        ("encoder", Foreign, "derived from decda.core.contracts.Autoencoder"),
        ("head", Abstract, "it lacks the method loss, soft_assign"),
        ("head", Factory, None),
        ("head", lambda n_clusters, embedding_dim: None, None),
        ("augment", Foreign, None),
        ("dataset", Foreign, None),
    ],
)
def test_only_certain_defects_are_reported(kind: str, factory: Any, defect: str | None) -> None:
    """A wrong base class or a missing method is a defect; functions and classes with their own `__new__` pass."""
    seen = class_defect(kind, factory)
    assert seen is None if defect is None else defect in str(seen)
