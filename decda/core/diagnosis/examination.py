"""Everything that `decda doctor` looks at, topic by topic."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from decda.core.diagnosis.check import BROKEN, Check
from decda.core.diagnosis.data import check_data_root, check_datasets
from decda.core.diagnosis.folders import check_run_folder
from decda.core.diagnosis.machine import check_machine
from decda.core.diagnosis.packages import check_parts
from decda.core.diagnosis.software import LIBRARIES, check_extras, check_software
from decda.core.parts.registry import Registry


def examine(registry: Registry, data_root: Path | None = None) -> Iterator[Sequence[Check]]:
    """Look at everything. What needs a library that is broken is left out.

    Args:
        registry: all parts that are installed. Their code runs, and data sets are read.
        data_root: folder of the data files; None: the environment or the cache decides.

    Yields:
        The checks of a topic, as soon as they are made.

    Raises:
        DataError: the data root refers to the home folder of an unknown user.
    """
    root = check_data_root(data_root)
    software = check_software()
    yield software
    yield check_extras()
    sound = all(check.status != BROKEN for check in software if check.name in LIBRARIES)
    yield check_machine(with_torch=sound)
    if sound:
        yield check_parts(registry)
    yield [*root, *(check_datasets(registry, data_root) if sound else ())]
    yield [check_run_folder()]
