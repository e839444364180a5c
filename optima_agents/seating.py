"""Seating: whatever may sit in a seat made a Policy, and one policy found for every seat of every episode.

In a seat may be

| value | what it is |
|---|---|
| an object with ``act(view, *, seed)`` | a Policy; ``act`` may be sync, return text alone, and leave out ``seed`` |
| a function of the view | the same without the object: ``lambda view: "hello"`` |
| a class with such an ``act`` | one instance, made without arguments |
| a text | ``make_policy`` of it: ``"hf:tiny"``, ``"random"`` |

and for all seats: one of these, a mapping agent -> one of these, or a function of the job that returns either. A
function of one argument is one of the job when that is called ``job`` or annotated ``Job``, one of the view when it is
called ``view``, takes a ``seed`` or is async; any other is asked with the first job and known by what it returns.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from optima_envs.records import View

from .backends.base import Sampling
from .making import BACKENDS, make_policy
from .policy import Act, Policy, seats

WANTED = "act(view, *, seed), a function of the view, the name of a policy such as 'hf:tiny'"


class Adapted:
    """A policy out of a callable of another shape; ``source`` is what was given."""

    def __init__(self, call: Callable[..., Any], source: object, seeded: bool) -> None:
        self.call, self.source, self.seeded = call, source, seeded
        self.backend = getattr(source, "backend", None)
        self.serial = getattr(source, "serial", False)

    async def act(self, view: View, *, seed: int) -> Act:
        said = self.call(view, seed=seed) if self.seeded else self.call(view)
        return await said if inspect.isawaitable(said) else said  # type: ignore[return-value] - a text is an act too

    async def aclose(self) -> None:
        """Close what was given, where it can be closed."""
        close = getattr(self.source, "aclose", None)
        if close is not None:
            await close()


def as_policy(given: object, sampling: Sampling | None = None) -> Policy:
    """A Policy for one seat (see above); ``sampling`` is that of a backend given by name (None: ``make_policy``'s).

    Raises TypeError saying what is wanted, UnknownName for a name.
    """
    if isinstance(given, str):
        named = sampling is not None and given.partition(":")[0] in BACKENDS
        return make_policy(given, sampling=sampling) if named else make_policy(given)
    if isinstance(given, type):
        if not callable(getattr(given, "act", None)):
            raise TypeError(f"{given.__name__} is a class without act: a policy has {WANTED}")
        try:
            given = given()
        except TypeError as err:
            raise TypeError(f"give a policy, not its class, which cannot be made without arguments: {err}") from None
    if callable(act := getattr(given, "act", None)):
        seeded = _takes_seed(act, f"{type(given).__name__}.act")
        return given if seeded and inspect.iscoroutinefunction(act) else Adapted(act, given, seeded)  # type: ignore[return-value]
    if callable(given):
        return Adapted(given, given, _takes_seed(given, _name(given)))
    raise TypeError(f"in a seat may be {WANTED} and the like, not {type(given).__name__}")


class Seating:
    """One policy for every seat of every episode. ``opened`` are those made here out of names, for their closing.

    Raises TypeError for what cannot sit anywhere, ValueError for names that are no agents or are missing.
    """

    def __init__(self, given: object, agents: tuple[str, ...], sampling: Sampling | None = None) -> None:
        self._agents = agents
        self._sampling = sampling
        self.opened: dict[str, Policy] = {}
        self._of_job: Callable[[Any], object] | None = None
        self._unsure: Callable[[Any], object] | None = None
        self._fixed: dict[str, Policy] = {}
        function = _function(given)
        if function is None or (first := _first_parameter(function)) == "view":
            self._fixed = self._seated(given)
        elif first == "job":
            self._of_job = function
        else:
            self._unsure = function

    def of(self, job: Any) -> dict[str, Policy]:
        """The policies of a job's episode. Raises whatever a function of the job raises."""
        self.settle(job)
        return self._fixed if self._of_job is None else self._seated(self._of_job(job))

    def settle(self, job: Any) -> None:
        """Find out, with the first job, what a function of one argument is a function of. Raises TypeError."""
        function, self._unsure = self._unsure, None
        if function is None:
            return
        try:
            found = function(job)
        except Exception:  # as a function of the view would, that finds no question in a job
            found = ""
        if isinstance(found, (Mapping, Policy, type)) or _function(found) is not None:
            self._of_job = function
        elif isinstance(found, (str, Act)) or inspect.isawaitable(found):
            if inspect.iscoroutine(found):
                found.close()
            self._fixed = self._seated(function)
        else:
            raise TypeError(
                f"{_name(function)} returns {type(found).__name__}: a function of the view returns text or an Act, a "
                "function of the job (call its argument job) a policy or a mapping agent -> policy"
            )

    def _seated(self, given: object) -> dict[str, Policy]:
        if not isinstance(given, Mapping):
            return seats(self._policy(given), self._agents)
        seats(given, self._agents)  # names first: nothing is opened for a team that cannot play
        return {agent: self._policy(given[agent]) for agent in self._agents}

    def _policy(self, given: object) -> Policy:
        if not isinstance(given, str):
            return as_policy(given)
        if given not in self.opened:  # an engine is started once, however many seats or jobs name it
            self.opened[given] = as_policy(given, self._sampling)
        return self.opened[given]


def _function(given: object) -> Callable[..., object] | None:
    return given if callable(given) and not isinstance(given, type) and not hasattr(given, "act") else None


def _first_parameter(function: Any) -> str:
    """``view`` or ``job`` where a function says which it takes, else empty."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        return "view"
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return ""
    if not parameters or len(parameters) > 1:
        return "view"  # with a seed; anything else is refused as a function of the view
    said = f"{parameters[0].name} {parameters[0].annotation}"
    return "job" if parameters[0].name == "job" or "Job" in said else "view" if "view" in said.lower() else ""


def _takes_seed(call: Any, name: str) -> bool:
    """Whether a callable of a view takes ``seed`` too. Raises TypeError when it cannot be called with either."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # of a builtin nothing is known
        return False
    for seeded in (True, False):
        try:
            signature.bind(None, **({"seed": 0} if seeded else {}))
        except TypeError:
            continue
        return seeded
    raise TypeError(f"{name}{signature} cannot speak: it is called with (view, seed=...) or (view)")


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)
