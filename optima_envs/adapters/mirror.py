"""Puts every environment into the registers of PettingZoo (1.27 and later) and Gymnasium as well, so that
``pettingzoo.make("parallel", "optima/2wmh-asym")``, ``pettingzoo.make("aec", ...)`` and
``gymnasium.make("optima/2wmh-asym-v0")`` work.

Importing either library costs more than all of ``optima_envs``, so this waits until somebody else has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

from ..spec import EnvSpec, on_register


def into_pettingzoo() -> None:
    import pettingzoo

    register = getattr(pettingzoo, "register", None)
    if register is None:  # before 1.27 there was no register
        return

    def mirror(spec: EnvSpec) -> None:
        register("parallel", spec.id, entry_point="optima_envs.adapters.parallel:make", kwargs={"id": spec.id})
        register("aec", spec.id, entry_point="optima_envs.adapters.aec:aec", kwargs={"id": spec.id})

    on_register(mirror)


def into_gymnasium() -> None:
    import gymnasium

    def mirror(spec: EnvSpec) -> None:
        gymnasium.register(
            id=spec.id, entry_point="optima_envs.adapters.single:SingleSeat", kwargs={"dialogue": spec.id}
        )

    on_register(mirror)


class _AfterImport(MetaPathFinder):
    """Runs ``action`` once the module ``name`` has been imported, whoever imports it."""

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self.name, self.action = name, action

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: object) -> None:
            execute(module)  # type: ignore[arg-type]
            self.action()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def mirror() -> None:
    """Register now with the libraries that are imported, and with the others as soon as they are."""
    for name, action in (("pettingzoo", into_pettingzoo), ("gymnasium", into_gymnasium)):
        if name in sys.modules:
            action()
        else:
            sys.meta_path.insert(0, _AfterImport(name, action))
