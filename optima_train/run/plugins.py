"""Plugins: modules that register a user's own parts when they are imported.

They may be installed, or lie beside the recipe or in the current folder. Of such a folder only the modules that are
named as plugins can be imported, and only where no installed one has their name: a stray ``json.py`` is never run.
A script may name itself: it is not imported a second time where it runs, and imported in every child process.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from .stage import StageError


class _Beside(MetaPathFinder):
    """Finds named top-level modules in folders that are not on the path."""

    def __init__(self) -> None:
        self.folders: dict[str, list[str]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        folders = self.folders.get(fullname)
        return PathFinder.find_spec(fullname, folders, target) if folders and path is None else None


_beside = _Beside()


def import_plugins(modules: Sequence[str], folders: Sequence[str | Path] = ()) -> None:
    """Import the modules that register a user's own parts; what is not installed, from ``folders`` or the current one.

    Raises StageError naming one that fails.
    """
    folders = [*folders, Path.cwd()]
    if _beside not in sys.meta_path:
        sys.meta_path.append(_beside)  # last: what is installed comes first
    before = {name: list(known) for name, known in _beside.folders.items()}
    for name in modules:
        known = _beside.folders.setdefault(name.partition(".")[0], [])
        known += [str(folder) for folder in folders if str(folder) not in known]
    for name in modules:
        if _is_running(name, folders):
            sys.modules.setdefault(name, sys.modules["__main__"])
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as err:
            _beside.folders = before  # what failed gives nobody a way in
            raise StageError(f"plugin {name} failed to import: {_why(name, err, folders)}") from err


def _is_running(name: str, folders: Sequence[str | Path]) -> bool:
    """Whether ``name`` is the script of this process, which has registered its parts by now."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    return script is not None and any(
        Path(folder, f"{name}.py").resolve() == Path(script).resolve() for folder in folders
    )


def _why(name: str, err: BaseException, folders: Sequence[str | Path]) -> str:
    if not isinstance(err, ModuleNotFoundError) or err.name is None:
        return f"{type(err).__name__}: {err}"
    if name == err.name or name.startswith(f"{err.name}."):
        places = " or ".join(dict.fromkeys(map(str, folders)))
        return f"there is no such module; install it, or put it into {places}"
    if any((Path(folder) / f"{err.name}.py").is_file() or (Path(folder) / err.name).is_dir() for folder in folders):
        return f"it imports {err.name}, which lies beside it but is no plugin; name {err.name} as a plugin before it"
    return f"it imports {err.name}, which is not installed"
