"""Parts out of a file that the user names, without a package around them."""

import importlib.util
import sys
from hashlib import sha256
from pathlib import Path

from decda.core.errors import BrokenComponent, ConfigError, DecdaError, in_a_line
from decda.core.parts.registry import Registry

FUNCTION = "register"
EXAMPLE = 'def register(registry): registry.add("head", "mine", MyHead)'


def load_file(registry: Registry, path: Path) -> None:
    """Run a Python file, and its function `register(registry)`, which adds its parts by `registry.add`.

    It runs with the rights of the user, who names it by hand; no configuration ever names a file. Modules beside it can
    be imported while it runs. What it prints goes wherever stdout is led.

    Args:
        registry: where its parts are added, as those of the package `local`.
        path: the file.

    Raises:
        ConfigError: there is no such file.
        BrokenComponent: it fails, has no function `register`, or adds nothing.
    """
    path = path.absolute()
    try:
        digest = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f"The file of parts {path} cannot be read: {error.strerror or error}.", parameter="load"
        ) from error
    before = registry.added()
    # Of its own, for two files in two folders may have one stem.
    name = f"decda_loaded_{sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"The file of parts {path} is not a Python file: its name must end in .py.", parameter="load")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their classes' modules up there
    search_path = list(sys.path)
    sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
        register = getattr(module, FUNCTION, None)
        if not callable(register):
            raise BrokenComponent(f"The file of parts {path} has no function {FUNCTION}. Write in it: {EXAMPLE}")
        register(registry)
    except (DecdaError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a stranger's code may raise any
        raise BrokenComponent(f"The file of parts {path} fails: {in_a_line(error)}.") from error
    finally:
        sys.path[:] = search_path  # the folder may have been on it before, by the user's own hand
    added = {entry for entry, factory in registry.added().items() if before.get(entry) is not factory}
    if not added:
        raise BrokenComponent(f"The function {FUNCTION} of {path} adds no part. Write in it: {EXAMPLE}")
    registry.files[path] = digest
    registry.from_files |= added
