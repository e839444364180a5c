"""Environment specs as data: ids, what they are made of, and the register of all of them.

Ids are ``[namespace/]name-vN``. ``2wmh-asym`` means ``optima/2wmh-asym`` in its newest version; the full id goes into
every record. A version goes up with any change that can move a score.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .codec import read
from .records import Instance
from .registry import Registry, UnknownName

Factory = str | Callable[..., Any]
EXCHANGE = "optima_envs.games.asymmetric:AsymmetricQA"
ALONE = "optima_envs.games.alone:Alone"
DEBATE = "optima_envs.games.debate:SolverCritic"
TOOLS = "optima_envs.games.tool_use:ToolUse"
PLAN = "optima_envs.games.plan_ground:PlanGround"
_ID = re.compile(r"(?:(?P<space>[\w.:-]+)/)?(?P<name>[\w.:-]+?)(?:[-_]v(?P<version>\d+))?")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Facts about an environment for people: what it asks, where its data and idea come from, its versions.

    ``splits`` maps names to sizes (instances); ``evaluation`` says which of them the paper evaluates on; ``metric``
    says what the metric's name does not; ``notes`` are what else one should know before reading a score.
    """

    summary: str = ""
    source: str = "generated, no download"
    licence: str = "Apache-2.0"
    history: tuple[str, ...] = ("v0: first version",)
    splits: Mapping[str, int] = field(default_factory=dict[str, int])
    evaluation: str = ""
    paper: str = ""
    metric: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """What an environment is made of; factories are lazy ``"module:attr"`` strings or callables.

    ``task(**kwargs)`` gives a sequence of instances (or ``task`` is one, such as a list), ``rules(**kwargs)`` the game;
    both get those of ``defaults`` and the caller's arguments that they accept. ``metric`` is a name in ``METRICS``.
    Raises ValueError for a bad id.
    """

    id: str
    task: Factory | Sequence[Instance]
    rules: Factory = EXCHANGE
    metric: str = "f1"
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sheet: Sheet = Sheet()

    def __post_init__(self) -> None:
        space, _, version = parse_id(self.id)
        if not space or version is None:
            raise ValueError(f"environment id {self.id!r} is not of the form namespace/name-v0")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON. Raises TypeError when a factory is not a ``"module:attr"`` string."""
        for part in ("task", "rules"):
            if not isinstance(getattr(self, part), str):
                raise TypeError(f"{self.id}: {part} is not a 'module:attr' string, so the spec cannot be written down")
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> EnvSpec:
        """The inverse of ``to_json``. Raises ValueError naming what is wrong."""
        parts: dict[str, Any] = {**row, "sheet": read(Sheet, row.get("sheet", {}))}
        return cls(**parts)


ENVS: Registry[EnvSpec] = Registry("environment", "optima.envs")
_listeners: list[Callable[[str], None]] = []


def parse_id(id: str) -> tuple[str | None, str, int | None]:  # noqa: A002 - the field's name for it
    """(namespace, name, version), None for what is left out. Raises TypeError for what is no text, ValueError for a
    malformed id."""
    if not isinstance(id, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a type checker
        raise TypeError(f"an environment id is a text such as 'twohop-asym', not {id!r:.80}")
    match = _ID.fullmatch(id)
    if match is None:
        raise ValueError(f"environment id {id!r:.200} is not of the form [namespace/]name[-v0]")
    version = match["version"]
    return match["space"], match["name"], None if version is None else int(version)


def full_id(id: str) -> str:  # noqa: A002
    """The id with namespace and version filled in: ``2wmh-asym`` gives ``optima/2wmh-asym-v0``."""
    space, name, version = parse_id(id)
    base = f"{space or 'optima'}/{name}"
    return f"{base}-v{max(versions(base), default=0) if version is None else version}"


def versions(base: str) -> list[int]:
    """The versions there are of ``namespace/name``, rising."""
    return _versions(base, ENVS.registered()) or _versions(base, ENVS)  # a plugin not loaded yet may know it


def spec(id: str) -> EnvSpec:  # noqa: A002
    """The spec behind an id. Raises UnknownName (a KeyError) with the versions there are, or the nearest known ids."""
    name = full_id(id)
    if name not in ENVS:
        base, _, wanted = name.rpartition("-")
        if known := versions(base):
            raise UnknownName(f"{base} has no {wanted}; there is {', '.join(f'v{number}' for number in known)}")
    return ENVS[name]


def list_envs() -> list[str]:
    """Full ids of all registered environments, plugins included."""
    return list(ENVS)


def register(
    spec: EnvSpec | str,
    *,
    task: Factory | Sequence[Instance] | None = None,
    rules: Factory = EXCHANGE,
    metric: str = "f1",
    sheet: Sheet | None = None,
    **defaults: Any,
) -> EnvSpec:
    """Add an environment: an ``EnvSpec``, or its full id and parts. Raises ValueError when the id is taken."""
    if isinstance(spec, str):
        if task is None:
            raise TypeError(f"register({spec!r}, ...) needs task=: a 'module:attr' string, a callable or instances")
        spec = EnvSpec(spec, task, rules, metric, defaults, sheet or Sheet())
    announce(spec.id, spec)
    return spec


def announce(id: str, spec: EnvSpec | str) -> None:  # noqa: A002
    """Register ``spec``, or the ``"module:attr"`` where it will be found, and tell the listeners."""
    fresh = id not in ENVS.registered()
    ENVS.register(id, spec)
    if fresh:
        for listener in _listeners:
            listener(id)


def on_register(listener: Callable[[str], None]) -> None:
    """Call ``listener`` with the id of every environment registered by now or later."""
    _listeners.append(listener)
    for known in ENVS.registered():
        listener(known)


def _versions(base: str, names: Iterable[str]) -> list[int]:
    parsed = (parse_id(name) for name in names if name.startswith(f"{base}-v"))
    return sorted(version for space, name, version in parsed if version is not None and f"{space}/{name}" == base)
