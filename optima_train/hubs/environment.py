"""Environments for hubs: a package for verifiers, a server for OpenEnv."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .package import Package, write_files


def to_verifiers(package: Package, out: Path) -> str:
    """A package that verifiers finds by its name: one module with a taskset, an environment and a harness. Returns what
    to do with it."""
    roles = "\n".join(f"    {role}: vf.AgentConfig = seat()" for role in package.roles)
    files = {
        f"{package.module}.py": package.fill("verifiers/module.py.txt", roles=roles),
        "pyproject.toml": package.fill("verifiers/pyproject.toml.txt"),
        "README.md": package.fill("verifiers/README.md.txt"),
    }
    write_files(out, files)
    return f"pip install {out} && vf-eval {package.distribution} -n 5   (to publish it: prime env push, from {out})"


def to_openenv(package: Package, out: Path) -> str:
    """A folder as ``openenv init`` lays it out: a server with a seat for each session. Returns what to do with it."""
    names = ["__init__.py", "client.py", "models.py", "openenv.yaml", "pyproject.toml", "README.md"]
    names += ["server/__init__.py", "server/app.py", "server/Dockerfile"]
    write_files(out, {name: package.fill(f"openenv/{name}.txt") for name in names})
    return f"openenv validate {out} --level static   (to publish it: openenv push, from {out})"


KINDS: dict[str, Callable[[Package, Path], str]] = {"verifiers": to_verifiers, "openenv": to_openenv}
