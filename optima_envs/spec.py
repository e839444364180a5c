"""Environment specs as data: ids, what they are made of, and the register of all of them.

Ids are ``[namespace/]name-vN``. ``2wmh-asym`` means ``optima/2wmh-asym`` in its newest version; the full id goes into
every record. A version goes up with any change that can move a score.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .registry import Registry

EXCHANGE = "optima_envs.games.asymmetric:AsymmetricQA"
DEBATE = "optima_envs.games.debate:SolverCritic"
_ID = re.compile(r"(?:(?P<space>[\w.:-]+)/)?(?P<name>[\w.:-]+?)(?:[-_]v(?P<version>\d+))?")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Facts about an environment for people: what it asks, where its data and idea come from, its versions.

    ``splits`` maps names to sizes (instances); ``evaluation`` says which of them the paper evaluates on.
    """

    summary: str = ""
    source: str = "generated, no download"
    licence: str = "Apache-2.0"
    history: tuple[str, ...] = ("v0: first version",)
    splits: Mapping[str, int] = field(default_factory=dict)
    evaluation: str = ""
    paper: str = ""


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """What an environment is made of; factories are lazy ``"module:attr"`` strings or callables.

    ``task(**kwargs)`` gives a sequence of instances, ``rules(**kwargs)`` the game; both get those of ``defaults`` and
    the caller's arguments that they accept. ``metric`` is a name in ``scoring.METRICS``. Raises ValueError for a bad
    id.
    """

    id: str
    task: str | Callable[..., Any]
    rules: str | Callable[..., Any] = EXCHANGE
    metric: str = "f1"
    defaults: Mapping[str, Any] = field(default_factory=dict)
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
        """The inverse of ``to_json``."""
        sheet = dict(row["sheet"])
        return cls(**{**row, "sheet": Sheet(**{**sheet, "history": tuple(sheet["history"])})})


ENVS: Registry[EnvSpec] = Registry("environment", "optima.envs")
_added: dict[str, EnvSpec] = {}
_newest: dict[str, int] = {}
_listeners: list[Callable[[EnvSpec], None]] = []


def parse_id(id: str) -> tuple[str | None, str, int | None]:  # noqa: A002 - the field's name for it
    """(namespace, name, version), None for what is left out. Raises ValueError for a malformed id."""
    match = _ID.fullmatch(id)
    if match is None:
        raise ValueError(f"environment id {id!r} is not of the form [namespace/]name[-v0]")
    version = match["version"]
    return match["space"], match["name"], None if version is None else int(version)


def full_id(id: str) -> str:  # noqa: A002
    """The id with namespace and version filled in: ``2wmh-asym`` gives ``optima/2wmh-asym-v0``."""
    space, name, version = parse_id(id)
    base = f"{space or 'optima'}/{name}"
    if version is not None:
        return f"{base}-v{version}"
    if base not in _newest:  # a plugin not loaded yet may know it
        for known in ENVS:
            _note(known)
    return f"{base}-v{_newest.get(base, 0)}"


def spec(id: str) -> EnvSpec:  # noqa: A002
    """The spec behind an id. Raises UnknownName (a KeyError) with the nearest known ids."""
    return ENVS[full_id(id)]


def list_envs() -> list[str]:
    """Full ids of all registered environments, plugins included."""
    return list(ENVS)


def register(
    spec: EnvSpec | str,
    *,
    task: str | Callable[..., Any] | None = None,
    rules: str | Callable[..., Any] = EXCHANGE,
    metric: str = "f1",
    sheet: Sheet | None = None,
    **defaults: Any,
) -> EnvSpec:
    """Add an environment: an ``EnvSpec``, or its full id and parts. Raises ValueError when the id is taken."""
    if isinstance(spec, str):
        if task is None:
            raise TypeError(f"register({spec!r}, ...) needs task=, a 'module:attr' string or a callable")
        spec = EnvSpec(spec, task, rules, metric, defaults, sheet or Sheet())
    ENVS.register(spec.id, spec)
    if spec.id not in _added:
        _added[spec.id] = spec
        _note(spec.id)
        for listener in _listeners:
            listener(spec)
    return spec


def on_register(listener: Callable[[EnvSpec], None]) -> None:
    """Call ``listener`` with every spec that ``register`` has added or will add."""
    _listeners.append(listener)
    for known in _added.values():
        listener(known)


def _note(id: str) -> None:  # noqa: A002
    space, name, version = parse_id(id)
    base = f"{space}/{name}"
    _newest[base] = max(_newest.get(base, 0), version or 0)
