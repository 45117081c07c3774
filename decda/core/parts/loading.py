"""Loads parts from a Python file that is not part of an installed package."""

import importlib.util
import sys
from hashlib import sha256
from pathlib import Path

from decda.core.errors import BrokenComponent, ConfigError, DecdaError, in_a_line
from decda.core.parts.registry import Registry

FUNCTION = "register"
EXAMPLE = 'def register(registry): registry.add("head", "mine", MyHead)'


def load_file(registry: Registry, path: Path) -> None:
    """Run a Python file and its function `register(registry)`, which adds parts by `registry.add`.

    The file runs with the user's rights. Only the user can name such a file; a configuration never does. While it runs,
    it can import modules from its own folder. Its output is not redirected.

    Args:
        registry: the registry to which its parts are added, under the package name `local`.
        path: the file.

    Raises:
        ConfigError: the file cannot be read, or is not a Python file.
        BrokenComponent: it fails, has no function `register`, or adds no part.
    """
    path = path.absolute()
    try:
        digest = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f"The file of parts {path} cannot be read: {error.strerror or error}.", parameter="load"
        ) from error
    before = registry.added()
    # Derived from the whole path, because files in different folders may share a stem.
    name = f"decda_loaded_{sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"The file of parts {path} is not a Python file: its name must end in .py.", parameter="load")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look up the modules of classes there
    beside = str(path.parent)
    sys.path.append(beside)
    try:
        spec.loader.exec_module(module)
        register = getattr(module, FUNCTION, None)
        if not callable(register):
            raise BrokenComponent(f"The file of parts {path} has no function {FUNCTION}. Define it: {EXAMPLE}")
        register(registry)
    except (DecdaError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the file may raise anything
        raise BrokenComponent(f"The file of parts {path} failed: {in_a_line(error)}.") from error
    finally:
        # The last such entry is the one from above: the user may have put the same folder on the path before.
        if beside in sys.path:
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(beside)]
    added = {entry for entry, factory in registry.added().items() if before.get(entry) is not factory}
    if not added:
        raise BrokenComponent(f"The function {FUNCTION} of {path} adds no part. Write it like this: {EXAMPLE}")
    registry.files[path] = digest
    registry.from_files |= added
