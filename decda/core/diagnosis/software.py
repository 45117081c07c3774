"""Python, decda and the packages it stands on: whether they are there, new enough, and can be imported."""

import platform
import re
import sys
import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from decda import __version__
from decda.core.diagnosis.check import ABSENT, BROKEN, OK, WARNING, Check
from decda.core.errors import in_a_line

PACKAGE = "decda"
LIBRARIES = {
    "torch": ("torch", "trains the networks"),
    "kornia": ("kornia", "augments images"),
    "numpy": ("numpy", "holds arrays"),
    "scikit-learn": ("sklearn", "runs k-means, and other starts and criteria"),
}
"""The packages that are imported for a test, each with its module and what it is for."""
EXTRAS = {
    "umap-learn": "the start umap, which the recipes conv-fast and fc-fast use",
    "onnx": "decda export --format onnx",
    "onnxruntime": "decda export --format onnx, which compares the graph with the model",
    "tensorboard": "decda train --listen tensorboard: curves of a run in a browser",
    "distributed": "--engine dask of decda train --seeds and decda reproduce: several machines",
}
"""Packages that decda does without, each with what it is for."""


def check_software() -> list[Check]:
    """Check decda, Python, and what decda requires.

    Returns:
        The checks; what is fine beyond the best-known packages is told in one.
    """
    return [_decda(), _python(), *_requirements()]


def check_extras() -> list[Check]:
    """Check which packages are there that decda does without. None is imported.

    Returns:
        A check for each.
    """
    limits = _limits()
    return [_extra(name, limits.get(name, ""), purpose) for name, purpose in EXTRAS.items()]


def is_within(found: str, limits: str) -> bool:
    """Whether a version is what a requirement asks for.

    Args:
        found: the version.
        limits: such as `">=0.4,<0.5"`; of other comparisons than `>=` and `<`, none is looked at.

    Returns:
        True if it is.

    Example:
        >>> [is_within(found, ">=2.10,<3") for found in ("2.9.1", "2.10.0+cpu", "2.10.0rc1", "3.0")]
        [False, True, True, False]
    """
    numbers = _numbers(found)
    for sign, limit in re.findall(r"(>=|<)\s*([\d.]+)", limits):
        if (numbers >= _numbers(limit)) != (sign == ">="):
            return False
    return True


def _numbers(text: str) -> list[int]:
    """The release of a version, without what marks it as early or local: 2.10.0rc1+cpu is 2.10."""
    release = re.match(r"[\d.]*", text.strip())
    numbers = [int(number) for number in re.findall(r"\d+", release[0] if release else "")]
    while numbers and numbers[-1] == 0:  # 3.0 is 3
        numbers.pop()
    return numbers


def _decda() -> Check:
    means = f"this program, in {Path(__file__).parents[2]}"
    try:
        known = version(PACKAGE)
    except PackageNotFoundError:
        means += "; it is not installed, so that its own parts are not found"
        return Check("software", PACKAGE, BROKEN, __version__, means, "In its folder: python -m pip install .")
    if known != __version__:
        means += f"; it was installed when it was {known}, and parts may be missing that have come since"
        return Check("software", PACKAGE, WARNING, __version__, means, "In its folder: python -m pip install -e .")
    return Check("software", PACKAGE, OK, __version__, means)


def _python() -> Check:
    return Check("software", "Python", OK, platform.python_version(), f"runs decda, from {sys.executable}")


def _requirements() -> list[Check]:
    """The best-known packages, those others with which something is wrong, and the number of the rest."""
    limits = _limits(required=True)
    names = [*LIBRARIES, *sorted(limits.keys() - LIBRARIES.keys())]
    checks = [_library(name, limits.get(name, "")) for name in names]
    shown = [check for check in checks if check.name in LIBRARIES or check.status != OK]
    rest = len(checks) - len(shown)
    if rest:
        shown.append(Check("software", "others", OK, f"{rest} packages", "all else that decda requires"))
    return shown


def _limits(*, required: bool = False) -> dict[str, str]:
    """The limits of versions in decda's metadata, by package: of all, or of those that it cannot do without."""
    try:
        lines = requires(PACKAGE) or []
    except PackageNotFoundError:
        return {}
    found = [re.match(r"\s*([\w.-]+)(?:\[.*?\])?([^;]*)(;?)", line) for line in lines]  # a condition may follow
    return {match[1]: match[2].strip(" ()") for match in found if match and not (required and match[3])}


def _library(name: str, limits: str) -> Check:
    module, means = LIBRARIES.get(name, ("", "decda requires it"))
    again = _install(name, limits)
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check("software", name, BROKEN, "not installed", means, again)
    if not is_within(found, limits):
        return Check("software", name, BROKEN, found, f"{means}; decda requires {limits}", again)
    if module:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import_module(module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a library of the system is missing, versions do not go together
            told = f"{means}; it cannot be imported: {in_a_line(error)}"
            return Check("software", name, BROKEN, found, told, f"{again} --force-reinstall")
    return Check("software", name, OK, found, means)


def _extra(name: str, limits: str, purpose: str) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check("extras", name, ABSENT, "not installed", f"for {purpose}", _install(name, limits))
    if not is_within(found, limits):
        return Check("extras", name, WARNING, found, f"for {purpose}; decda needs {limits}", _install(name, limits))
    return Check("extras", name, OK, found, f"for {purpose}")


def _install(name: str, limits: str) -> str:
    return f'python -m pip install "{name}{limits}"' if limits else f"python -m pip install {name}"
