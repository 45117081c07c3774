"""Loads parts from a Python file that is not part of an installed package."""

import importlib.util
import sys
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from pathlib import Path

from decda.core.errors import BrokenComponent, ConfigError, DecdaError, OutOfMemory, in_a_line, is_out_of_memory
from decda.core.parts.registry import Registry
from decda.core.regular_files import read_regular

MAX_BYTES = 2**24
"""More than anybody writes; a file of parts that is larger is another file."""
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
        OutOfMemory: memory ran out while it ran.
    """
    path = path.absolute()
    try:
        source = read_regular(path, max_bytes=MAX_BYTES)
    except OSError as error:
        raise ConfigError(
            f"The file of parts {path} cannot be read: {error.strerror or error}.", parameter="load"
        ) from error
    before = registry.added()
    # Derived from the whole path, because files in different folders may share a stem.
    name = f"decda_loaded_{sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):  # one for compiled files, for instance
        raise ConfigError(f"The file of parts {path} is not a Python file: its name must end in .py.", parameter="load")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look up the modules of classes there
    beside = str(path.parent)
    sys.path.append(beside)
    try:
        # What was read and is hashed below, not what the path holds by now, or what was compiled from it earlier.
        exec(spec.loader.source_to_code(source, str(path)), vars(module))
        register = getattr(module, FUNCTION, None)
        if not callable(register):
            raise BrokenComponent(f"The file of parts {path} has no function {FUNCTION}. Define it: {EXAMPLE}")
        register(registry)
    except (DecdaError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the file may raise anything
        if is_out_of_memory(error):
            raise OutOfMemory(
                f"Out of memory while the file of parts {path} ran ({in_a_line(error)}). Have it do less when it is "
                "loaded."
            ) from error
        raise BrokenComponent(f"The file of parts {path} failed: {in_a_line(error)}.") from error
    finally:
        # The last such entry is the one from above: the user may have put the same folder on the path before.
        if beside in sys.path:
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(beside)]
    added = {entry for entry, factory in registry.added().items() if before.get(entry) is not factory}
    if not added:
        raise BrokenComponent(f"The function {FUNCTION} of {path} adds no part. Write it like this: {EXAMPLE}")
    registry.files[path] = sha256(source).hexdigest()
    registry.from_files |= added
