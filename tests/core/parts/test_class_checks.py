"""What a class shows of a part."""

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
def test_only_what_is_certain_is_held_against_a_class(kind: str, factory: Any, defect: str | None) -> None:
    """A foreign base or a method that is missing; a function, or a class that makes other objects, shows nothing."""
    seen = class_defect(kind, factory)
    assert seen is None if defect is None else defect in str(seen)
