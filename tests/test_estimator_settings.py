"""The parameters of `DeepClustering`: nested names, seeds, and values that make no sense."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from decda import DeepClustering
from decda.core.errors import DecdaError
from decda.estimator_errors import EstimatorError
from decda.plugins.heads.idec import IDEC
from tests.test_estimator import IRIS, SMALL, TABLE


def test_settings_of_parts_by_nested_names() -> None:
    """Nested names set parts, training and scale; train__ goes above max_iter, and max_iter above train."""
    model = DeepClustering(
        n_clusters=3, head__gamma=0.3, encoder__hidden=(16,), encoder__embedding_dim=np.int64(5),
        dataset__scale="minmax", train={"max_iter": 500, "batch_size": 64}, max_iter=400, train__max_iter=7,
        pretrain_epochs=1, random_state=2,
    ).fit(IRIS)  # fmt: skip
    config = model.run_.config
    assert config.head.parameters["gamma"] == 0.3
    assert config.encoder.parameters["embedding_dim"] == model.transform(IRIS).shape[1] == 5
    assert config.dataset.parameters["scale"] == "minmax"
    assert (config.train.max_iter, config.train.batch_size, config.seed) == (7, 64, 2)


def test_a_recipe_keeps_its_head() -> None:
    """With a recipe, the default head is that of the recipe; any other is the one that is named."""
    model = DeepClustering(n_clusters=3, recipe="fcdec-da", augment="none", encoder__hidden=(16,), **SMALL)
    assert model.fit(IRIS).run_.config.head.short == "dec"
    assert model.set_params(head="dcn").fit(IRIS).run_.config.head.short == "dcn"
    assert model.set_params(head={"name": "idec"}).fit(IRIS).run_.config.head.short == "idec"


def test_a_class_as_a_part() -> None:
    """A class stands for a part, with nested settings as for a registered one."""
    model = DeepClustering(head=IDEC, head__gamma=0.4, **TABLE).fit(IRIS)
    assert model.run_.config.head.parameters["gamma"] == 0.4
    assert clone(model).head is IDEC


def test_parameters_are_got_set_and_cloned() -> None:
    """Nested names are parameters like all others."""
    model = DeepClustering(4, head__gamma=0.2)
    assert model.get_params()["head__gamma"] == model.get_params(deep=False)["head__gamma"] == 0.2
    copy = clone(model).set_params(head__gamma=0.3, encoder__hidden=(8,), n_clusters=5)
    assert (copy.get_params()["head__gamma"], copy.get_params()["encoder__hidden"], copy.n_clusters) == (0.3, (8,), 5)
    assert model.get_params()["head__gamma"] == 0.2
    assert repr(model) == "DeepClustering(head__gamma=0.2, n_clusters=4)"
    with pytest.raises(ValueError, match="Invalid parameter 'gamma'"):
        model.set_params(gamma=1)
    with pytest.raises(ValueError, match="Invalid parameter 'hed'"):
        model.set_params(hed__gamma=1)


def test_another_part_drops_what_was_meant_for_the_former() -> None:
    """Naming another head drops settings of the former one, unless they are given with it; the same head keeps them."""
    model = DeepClustering(head__gamma=0.2, encoder__hidden=(8,))
    assert "head__gamma" in clone(model).set_params(head="idec").get_params()
    assert clone(model).set_params(head="dec").get_params()["encoder__hidden"] == (8,)
    assert "head__gamma" not in clone(model).set_params(head="dec").get_params()
    assert clone(model).set_params(head={"name": "idec"}, head__gamma=1.0).get_params()["head__gamma"] == 1.0


def test_random_state() -> None:
    """An int is the seed of the run; a RandomState, or NumPy's global one for None, draws it."""

    def seed(random_state: Any) -> int:
        return int(DeepClustering(**{**TABLE, "random_state": random_state, "max_iter": 1}).fit(IRIS).run_.config.seed)

    assert seed(5) == seed(np.int64(5)) == 5
    state = np.random.RandomState(0)
    first = seed(state)
    assert first == np.random.RandomState(0).randint(np.iinfo(np.int32).max) != seed(state)
    before = np.random.get_state()
    try:
        np.random.seed(0)
        assert seed(None) == first != seed(None)
    finally:
        np.random.set_state(before)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_cluster": 3}, "has no parameter 'n_cluster'. Did you mean 'n_clusters'?"),
        ({"hed__gamma": 3}, "has no parameter 'hed__gamma'"),
        ({"n_clusters": 151}, "at most the number of images, 150"),
        ({"n_clusters": "three"}, "'n_clusters' must be int"),
        ({"head": "idecc"}, "Unknown head 'idecc'. Did you mean 'idec'?"),
        ({"head": 3}, "head must be a name"),
        ({"head__gama": 0.1}, "has no parameter 'gama'"),
        ({"head__gamma": -1.0}, "head 'idec'"),
        ({"train": 3}, "train must be a mapping"),
        ({"train__batch_size": 0}, "batch_size must be at least 1"),
        ({"max_iter": "many"}, "'max_iter' must be int"),
        ({"random_state": "zero"}, "random_state must be None, a whole number or a RandomState, not 'zero'"),
        ({"n_jobs": 0}, "n_jobs must be None"),
        ({"device": "gpu"}, "device"),
        ({"recipe": "nothing"}, "Unknown recipe 'nothing'"),
        ({"channels": "middle"}, "'channels' must be 'auto' | 'first' | 'last', not 'middle'"),
        ({"image_shape": (3, 3)}, "4 numbers cannot be images of shape (3, 3)"),
        ({"dataset__size": 8}, "dataset__size is for images that are read from a path"),
        ({"augment": "affine"}, "is for images"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_parameters_that_make_no_sense(parameters: dict[str, Any], message: str) -> None:
    """They are refused when fitting, as ValueError and as DecdaError, in words that say what to do."""
    model = DeepClustering(**{**TABLE, **parameters})
    with pytest.raises(EstimatorError) as caught:
        model.fit(IRIS)
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, DecdaError)
    assert caught.value.exit_code in (2, 3)
    with pytest.raises(NotFittedError):
        model.predict(IRIS)
