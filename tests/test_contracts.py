"""Every built-in part fulfils the contracts, checked by the same kit that plugin authors use."""

import os
from pathlib import Path

from decda.core.files import Files
from decda.testing import contract_tests

DATA = Path(os.environ.get("DECDA_DATA") or Path(__file__).parents[2] / "shared" / "data")

test_contracts = contract_tests("decda", files=Files(DATA, offline=True))
