"""The rule `signature`, which parts of all kinds but recipes share."""

import inspect

from decda.core.errors import ContractViolation
from decda.core.parts.parameters import read_parameters, supplied_names
from decda.testing.rules import Subject, Violation, require


def check_signature(subject: Subject, supplied: tuple[str, ...], *, all_required: bool) -> None:
    """Check that assembly can call a factory, and that users can set its parameters.

    Args:
        subject: the part under test.
        supplied: the names that may stand before the star.
        all_required: whether all of them must.

    Raises:
        Violation: the names before the star are wrong, or a parameter after it lacks a type, help or a usable default.
    """
    try:
        parameters = read_parameters(subject.factory)
    except ContractViolation as violation:
        raise Violation(str(violation)) from violation
    before_star = supplied_names(subject.factory)
    allowed = ", ".join(supplied) or "nothing"
    strange = [name for name in before_star if name not in supplied]
    require(not strange, f"'{', '.join(strange)}' stands before the star, where only {allowed} may; put '*' before it")
    missing = [name for name in supplied if all_required and name not in before_star]
    require(not missing, f"'{', '.join(missing)}' is missing from the signature {inspect.signature(subject.factory)}")
    helpless = [parameter.name for parameter in parameters if not parameter.help.strip()]
    seen = f"the parameter '{', '.join(helpless)}' has no help"
    require(not helpless, f'{seen}; declare it as {"".join(helpless[:1])}: Annotated[type, "what it is"]')
    unset = ", ".join(p.name for p in parameters if p.required and p.name not in subject.parameters)
    require(not unset, f"'{unset}' has no default, so the other rules cannot be tried; pass a value to the check")
