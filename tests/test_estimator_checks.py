"""scikit-learn's own checks of an estimator."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sklearn.utils import estimator_checks

from decda import DeepClustering

SMALL: dict[str, Any] = {"pretrain_epochs": 10, "max_iter": 20, "encoder__hidden": (32,)}
"""Trains in a fifth of a second, so that a hundred fits do not take minutes."""
ELSEWHERE = "check_array_api_input"
FURTHER = (
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_global_output_transform_pandas,
)
"""What scikit-learn checks its own estimators for, beyond `check_estimator`."""
CHECKS = [check for _, check in estimator_checks.estimator_checks_generator(DeepClustering(**SMALL))]
CHECKS += [partial(check, "DeepClustering") for check in FURTHER]


def name_of(check: Any) -> str:
    """The name of a check, with what it is called with."""
    words = []
    while isinstance(check, partial):
        words += [f"{name}={value}" for name, value in check.keywords.items()]
        check = check.func
    return ",".join([check.__name__, *words])


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")  # some checks mean to
@pytest.mark.parametrize("check", [check for check in CHECKS if not name_of(check).startswith(ELSEWHERE)], ids=name_of)
def test_an_estimator_as_scikit_learn_wants_it(check: Callable[[DeepClustering], None]) -> None:
    """Each check of scikit-learn passes; none is expected to fail, and none is skipped."""
    check(DeepClustering(**SMALL))


def test_the_check_that_needs_a_process_of_its_own() -> None:
    """With array API dispatch, which SciPy has to know of before it is imported, results are the same."""
    code = (
        "from sklearn.utils.estimator_checks import check_array_api_input\n"
        "from decda import DeepClustering\n"
        f"estimator = DeepClustering(**{SMALL!r})\n"
        "check_array_api_input('DeepClustering', estimator, 'numpy', expect_only_array_outputs=False)\n"
    )
    assert [name for name in map(name_of, CHECKS) if name.startswith(ELSEWHERE)] == [
        "check_array_api_input,array_namespace=numpy,expect_only_array_outputs=False"
    ]
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
