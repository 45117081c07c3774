"""Every part of this package fulfils decda's contract."""

from decda.testing import contract_tests

test_contracts = contract_tests("decda-plugin-example")
