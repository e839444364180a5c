"""Sources: a digest of a method's code, so that results of an edited method are not taken for those of the new one."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

_known: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()


def digest(function: Callable[..., Any]) -> str | None:
    """The code of the module that defines ``function`` and of its neighbours that it imports, however far; comments,
    docstrings and layout do not count. ``3.11:...``: how Python reads code differs from version to version.

    None where there is no source to be found.
    """
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    home = sys.modules.get(getattr(function, "__module__", ""))
    try:
        if home is None or _file(home) is None:  # typed in, as in a notebook
            return _hash(_plain(dedent(inspect.getsource(function))))
        if home not in _known:
            _known[home] = _hash("\n".join(f"{module.__name__}\n{_plain(_text(module))}" for module in _closure(home)))
        return _known[home]
    except (OSError, TypeError, SyntaxError, UnicodeDecodeError):
        return None


def edited(then: object, now: str | None) -> bool:
    """Whether two digests are known to be of different code."""
    known = isinstance(then, str) and now is not None and then.partition(":")[0] == now.partition(":")[0]
    return known and then != now


def _hash(code: str) -> str:
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{version}:{hashlib.sha256(code.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _closure(home: ModuleType) -> list[ModuleType]:
    """``home`` and the modules beside it that it needs, by name."""
    found, waiting = {home.__name__: home}, [home]
    while waiting:
        for name in _imports(waiting.pop()):
            module = sys.modules.get(name)
            if module is not None and name not in found and _beside(module, home):
                found[name] = module
                waiting.append(module)
    return [found[name] for name in sorted(found)]


def _beside(module: ModuleType, home: ModuleType) -> bool:
    """In the same package, or where there is none, in the same folder."""
    here, there = _file(home), _file(module)
    if here is None or there is None or here.parent != there.parent:
        return False
    return (module.__package__ or "") == (home.__package__ or "")


def _imports(module: ModuleType) -> Iterator[str]:
    tree = ast.parse(_text(module))
    package = (module.__package__ or "").split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _file(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file and file.endswith(".py") else None


def _text(module: ModuleType) -> str:
    return Path(str(_file(module))).read_text(encoding="utf-8")


def _plain(text: str) -> str:
    """Source without what changes nothing."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef,
                                                                 ast.AsyncFunctionDef)):  # fmt: skip
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = body[1:] or [ast.Pass()]
    return ast.unparse(ast.fix_missing_locations(tree))
