"""Every part of this package keeps decda's contracts."""

from decda.testing import contract_tests

test_contracts = contract_tests("decda-plugin-example")
