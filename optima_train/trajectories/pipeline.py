"""Steps one after another over a stream of trajectories; each gives an episode, several, or a reason to drop it.

A step is what a factory in ``STEPS`` makes of its options, one of three kinds:

* a function ``episode -> Episode | list of them | Dropped``; it may raise ``BadRow`` with the reason
* with ``whole = True``: a function of the whole stream, for shares and duplicates
* with ``concurrency = N``: a coroutine function of one episode, N at the same time; ``aclose`` is awaited at the end
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from optima_envs.records import Episode

from .registry import STEPS, check_options, make, reason_of
from .transcript import Dropped

Item = Episode | Dropped
Named = tuple[str, Any]
StepSpec = str | Mapping[str, Mapping[str, Any] | None]


def make_steps(specs: Iterable[StepSpec]) -> list[Named]:
    """The steps of a list such as ``["dedupe", {"keep": {"min_score": 1.0}}]``.

    Raises UnknownName, TypeError for an option a step does not take, ValueError for a value it refuses.
    """
    return [(name, make(STEPS, name, options)) for name, options in map(_named, specs)]


def check_step(spec: StepSpec) -> None:
    """Raises UnknownName and TypeError as ``make_steps`` does, without making the step: a judge need not be opened."""
    check_options(STEPS, *_named(spec))


def _named(spec: StepSpec) -> tuple[str, Mapping[str, Any]]:
    chosen = {spec: None} if isinstance(spec, str) else spec
    if len(chosen) != 1:
        raise ValueError(f"a step is one name and its options, not {sorted(chosen)}")
    ((name, options),) = chosen.items()
    return name, options or {}


def run_steps(chosen: Sequence[Named], items: Iterable[Item]) -> Iterator[Item]:
    """``items`` through all steps, streamed; what was dropped before passes by."""
    stream = iter(items)
    for name, step in chosen:
        stream = _run(name, step, stream)
    return stream


def _run(name: str, step: Any, items: Iterator[Item]) -> Iterator[Item]:
    if getattr(step, "whole", False):
        yield from _whole(name, step, items)
        return
    if getattr(step, "concurrency", 0):
        yield from _together(name, step, items)
        return
    for number, item in enumerate(items):
        if isinstance(item, Dropped):
            yield item
        else:
            yield from _made(name, number, item, lambda item=item: step(item))


def _made(name: str, number: int, item: Episode, call: Callable[[], Any]) -> list[Item]:
    """What a step made of an episode, with the place where it was dropped."""
    try:
        found = call()
    except Exception as err:  # a bad episode, or a plugin's step that stumbles over one
        found = Dropped("", 0, "", reason_of(err))
    results = found if isinstance(found, list) else [found]
    return [
        replace(made, file=f"step {name}", row=number, id=item.instance.id) if isinstance(made, Dropped) else made
        for made in results
    ]


def _whole(name: str, step: Any, items: Iterator[Item]) -> Iterator[Item]:
    passing: list[Item] = []

    def alive() -> Iterator[Episode]:
        for item in items:
            if isinstance(item, Dropped):
                passing.append(item)
            else:
                yield item

    for number, made in enumerate(step(alive())):
        yield from passing
        passing.clear()
        yield replace(made, file=f"step {name}", row=number) if isinstance(made, Dropped) else made
    yield from passing


def _together(name: str, step: Any, items: Iterator[Item]) -> Iterator[Item]:
    """Block by block, so that a slow judge is asked about several at once and the stream stays a stream."""

    async def answers(block: list[Item]) -> list[Any]:
        return await asyncio.gather(
            *(step(item) for item in block if not isinstance(item, Dropped)), return_exceptions=True
        )

    number = 0
    with asyncio.Runner() as runner:
        try:
            while block := list(islice(items, step.concurrency)):
                found = iter(runner.run(answers(block)))
                for item in block:
                    if isinstance(item, Dropped):
                        yield item
                    else:
                        yield from _made(name, number, item, lambda: _raised(next(found)))  # noqa: B023 - called at once
                    number += 1
        finally:
            if hasattr(step, "aclose"):
                runner.run(step.aclose())


def _raised(found: Any) -> Any:
    if isinstance(found, BaseException):
        raise found
    return found
