"""What is said when numbers are no longer finite."""

import pytest

from decda.core.events import Phase
from decda.core.training.divergence import diverged


@pytest.mark.parametrize(
    ("phase", "where"),
    [
        ("pretrain", "in step 3 of epoch 5 of pretraining"),
        ("init_centers", "at the end of pretraining"),
        ("cluster", "at iteration 3 of clustering"),
    ],
)
def test_the_place_is_named(phase: Phase, where: str) -> None:
    """The error names the place by the phase, what was not finite, and the learning rate."""
    text = str(diverged("an embedding", phase, 4, 3, 0.001))
    assert f"{where} an embedding was not a finite number" in text
    assert "it is 0.001" in text
