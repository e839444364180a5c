"""Team files: ``team.yaml``, written by hand or by a training run that gave its agents weights of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from optima_envs.documents import load_yaml

NAME = "team.yaml"
OWN = "own-"  # begins the folder of an agent's weights in a run
LOCAL = ("hf", "vllm")  # backends whose models may be folders


def read_team(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings in a YAML file, or in the ``team.yaml`` of a folder, as ``make_team`` takes them.

    Models and adapters that lie beside the file are found from anywhere. Raises ValueError naming the file.
    """
    file = Path(path)
    file = file / NAME if file.is_dir() else file
    try:
        found = load_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise ValueError(f"{file} cannot be read: {err}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{file} holds no team: a mapping with policy, agents, ... is needed")
    seats = found.get("agents")
    if isinstance(seats, dict):
        found["agents"] = {name: _near(seat, file.parent) for name, seat in seats.items()}
    return _near(found, file.parent)


def on_backend(team: Mapping[str, Any], policy: str) -> dict[str, Any]:
    """``team`` played by another backend: ``vllm`` with the same models, or ``vllm:MODEL``, ``openai:URL#MODEL``.

    A server has loaded the adapters itself: it is asked for them by ``adapter_name``. Raises ValueError where the seats
    have models of their own and ``policy`` names one, and for two folders that a server would know by one name.
    """
    kind, _, model = policy.partition(":")
    moved = {**team, "policy": policy if model else _swapped(team.get("policy", "hf:tiny"), kind)}
    seats = {name: dict(seat) for name, seat in (team.get("agents") or {}).items()}
    folders: dict[str, str] = {}
    for name, seat in seats.items():
        if "policy" in seat and model:
            raise ValueError(f"{name} has a model of its own, {seat['policy']}; give the backend alone: {kind}")
        if "policy" in seat:
            seat["policy"] = _swapped(seat["policy"], kind)
        if kind == "openai" and seat.get("adapter") and Path(seat["adapter"]).is_dir():
            folder, seat["adapter"] = seat["adapter"], adapter_name(seat["adapter"])
            if (other := folders.setdefault(seat["adapter"], folder)) != folder:
                raise ValueError(f"{other} and {folder} are both {seat['adapter']} to a server; rename one of them")
    return {**moved, "agents": seats} if seats else moved


def adapter_name(folder: str | os.PathLike[str]) -> str:
    """The name of an agent's adapter in an engine or a server: ``Alice-it003`` for ``it003/train/own-Alice/adapter`` of
    a run, the names of the last two folders for any other; dots, which PEFT refuses, are written ``%2E``.

    The iteration is part of it: vLLM keeps what it has computed under a name, though other weights are loaded under it
    later.
    """
    *_, step, _, own, last = ("", "", "", "", *Path(folder).resolve().parts)
    in_run = own.startswith(OWN) and re.fullmatch(r"it\d+", step)
    return (f"{own.removeprefix(OWN)}-{step}" if in_run else f"{own}-{last}").replace(".", "%2E")


def _near(seat: Any, folder: Path) -> Any:
    """A seat whose relative folders are looked for beside its file first."""
    if not isinstance(seat, dict):
        return seat
    near = dict(seat)
    if isinstance(adapter := seat.get("adapter"), str) and (folder / adapter).is_dir():
        near["adapter"] = str((folder / adapter).resolve())
    if isinstance(policy := seat.get("policy"), str):
        kind, _, model = policy.partition(":")
        if kind in LOCAL and model and (folder / model).is_dir():
            near["policy"] = f"{kind}:{(folder / model).resolve()}"
    return near


def _swapped(policy: str, kind: str) -> str:
    return f"{kind}:{policy.partition(':')[2]}"
