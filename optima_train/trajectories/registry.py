"""Readers, writers and steps by name, open to plugins; and reading and writing whole files by them.

A reader is a factory ``(**options) -> function (row, at) -> Episode`` (or several, or none), a writer one
``(**options) -> function (episode) -> row``. Either raises ``BadRow``, or anything else, for what it cannot do: the row
is then dropped with that reason. A layout with both gets lossless writing for free: what its writer would not give back
is kept in ``info["native"]``.

A reader whose factory has ``keyed = True`` takes each value of a file that is one object for a row. A writer whose
factory has ``carries = KEY`` loses nothing of any record of ours: what its layout has no place for goes under that key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from optima_envs.keywords import Keywords, refusal
from optima_envs.records import Episode
from optima_envs.registry import Registry

from .files import Broken, entries, parse
from .residue import added, apply, diff
from .transcript import IMPORTED, BadRow, Dropped, digest

LAYOUTS = "optima_train.trajectories.layouts"


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a row: its file's name, its number from 0, its key in a file that is an object of rows."""

    file: str
    row: int
    key: str | None = None
    named: str | None = None

    @property
    def id(self) -> str:
        """An id for a row without one."""
        return self.named or f"{Path(self.file).stem}-{self.row if self.key is None else self.key}"


Read = Callable[[Any, Where], Episode | Iterable[Episode] | None]
Write = Callable[[Episode], Any]
READERS: Registry[Callable[..., Read]] = Registry("reader", "optima.readers")
"""Readers of layouts by name; ``READERS.register("mine", factory)`` adds one."""
WRITERS: Registry[Callable[..., Write]] = Registry("writer", "optima.writers")
"""Writers of layouts by name."""
STEPS: Registry[Callable[..., Any]] = Registry("step", "optima.steps")
"""Steps by name: from an episode to one, several, or a reason to drop it."""

for _name in ("agentinstruct", "fireact", "nat", "flan", "lumos", "ste", "eto", "ohana", "chat", "adp", "optima"):
    READERS.register(_name, f"{LAYOUTS}.{_name}:reader")
    WRITERS.register(_name, f"{LAYOUTS}.{_name}:writer")
READERS.register("debategpt", f"{LAYOUTS}.debategpt:reader")
WRITERS.register("table", f"{LAYOUTS}.optima:table_writer")
for _name in ("conversation", "prompt", "preference", "tokens"):
    WRITERS.register(f"trl-{_name}", f"{LAYOUTS}.trl_sets:{_name}_writer")
for _name, _place in {
    "keep": "choose",
    "dedupe": "choose",
    "limit": "choose",
    "react": "react",
    "chat": "flan",
    "tags": "flan",
    "negatives": "negatives",
    "distil": "distil",
    "clean": "distil",
    "rate": "rating",
}.items():
    STEPS.register(_name, f"optima_train.trajectories.steps.{_place}:{_name}")
STEPS.register("explored", "optima_train.trajectories.exploring:explored")
RECORD = "optima_record"


def make(kind: Registry[Callable[..., Any]], name: str, options: Mapping[str, Any]) -> Any:
    """What the factory of that name makes. Raises UnknownName, and TypeError for an option it does not take."""
    check_options(kind, name, options)
    return kind[name](**options)


def check_options(kind: Registry[Callable[..., Any]], name: str, options: Mapping[str, Any]) -> None:
    """Raises UnknownName, and TypeError for an option the factory of that name does not take."""
    takes = Keywords.of(kind[name])
    if unknown := [key for key in options if key not in takes]:
        raise TypeError(refusal(f"{kind.kind} {name}", unknown, takes.names))


def read(layout: str, files: Iterable[str | Path], **options: Any) -> Iterator[Episode | Dropped]:
    """The trajectories of ``files``, one at a time, and the rows left out. An id that comes again gets ``#2``, ``#3``.

    Raises DataError for a file that cannot be read, UnknownName for a layout nobody registered, TypeError for an option
    it does not take.
    """
    reader = make(READERS, layout, options)
    writer = make(WRITERS, layout, {}) if layout in WRITERS else None
    keyed = getattr(READERS[layout], "keyed", False)
    ids = _Ids()
    for path in map(Path, files):
        name = path.name
        for entry in entries(path, keyed=keyed):
            if isinstance(entry, Broken):
                yield Dropped(name, entry.row, "", entry.reason)
                continue
            at = Where(name, entry.row, entry.key)
            try:
                found = _read_row(layout, entry.value, at, reader, writer)
            except Exception as err:  # a row, or a plugin that stumbles over one
                yield Dropped(name, entry.row, _id_of(entry.value), reason_of(err))
                continue
            for item in found:
                yield ids.unique(item)


def _read_row(layout: str, row: Any, at: Where, reader: Read, writer: Write | None) -> list[Episode]:
    key, kept = carries(layout), None
    if key and isinstance(row, dict) and isinstance(held := row.get(key), dict) and RECORD in held:
        kept = parse(held[RECORD]) if isinstance(held[RECORD], str) else None
        rest = {name: value for name, value in held.items() if name != RECORD}
        row = {**row, key: rest} if rest else {name: value for name, value in row.items() if name != key}
    if isinstance(kept, dict) and "whole" in kept:
        return [Episode.from_json(kept["whole"])]
    found = reader(row, at)
    items = [found] if isinstance(found, Episode) else list(found or ())
    if len(items) != 1:
        return items
    (item,) = items
    if isinstance(kept, dict) and kept.get("of") == digest(item):
        return [Episode.from_json(apply(item.to_json(), kept.get("patch")))]
    if writer is not None and item.env == IMPORTED + layout:
        return [_with_native(layout, item, row, writer)]
    return items


@cache
def carries(layout: str) -> str | None:
    """The key under which rows of a layout keep what it has no place for; None: some records lose something there."""
    return getattr(WRITERS[layout], "carries", None) if layout in WRITERS else None


def _with_native(layout: str, item: Episode, row: Any, writer: Write) -> Episode:
    patch = diff(writer(item), row)
    native = {"layout": layout, "of": digest(item), **({"patch": patch} if patch else {})}
    return replace(item, info={**item.info, "native": native})


def row_of(layout: str, item: Episode, writer: Write) -> Any:
    """``item`` as a row of ``layout``: exactly the one it was read from, if it was and nothing changed it since; of a
    changed one the keys that only the source had. Raises BadRow for what the layout cannot hold."""
    native = item.info.get("native")
    if not isinstance(native, Mapping) or native.get("layout") != layout:
        row = writer(item)
    else:
        row = writer(replace(item, info={key: value for key, value in item.info.items() if key != "native"}))
        if native.get("of") == digest(item):
            row = apply(row, native.get("patch"))
        elif isinstance(row, dict):
            row = {**added(native.get("patch")), **row}
    key = carries(layout)
    return _carrying(layout, item, row, writer, key) if key and isinstance(row, dict) else row


def _carrying(layout: str, item: Episode, row: dict[str, Any], writer: Write, key: str) -> dict[str, Any]:
    """``row`` with what a reader of it would miss."""
    name = row_id(item)  # a second one of its id is told apart anew when it is read
    own = {field: value for field, value in item.info.items() if field != "repeats"}
    first = replace(item, info=own, key=replace(item.key, instance=name), instance=replace(item.instance, id=name))
    reader, at = READERS[layout](), Where("", 0, named=name)
    try:
        if _read_row(layout, row, at, reader, writer) == [first]:
            return row
        (again,) = _read_row(layout, row, at, reader, None)
        # ``of``: a row edited by hand is read as it stands then
        kept: dict[str, Any] = {"of": digest(again), "patch": diff(again.to_json(), first.to_json())}
    except BadRow:  # one that would be dropped as it stands, such as a dialogue that failed before its first turn
        kept = {"whole": first.to_json()}
    return {**row, key: {**(row.get(key) or {}), RECORD: json.dumps(kept)}}


def write(layout: str, items: Iterable[Episode], **options: Any) -> Iterator[Any | Dropped]:
    """Rows of ``layout``, one at a time, and the episodes it cannot hold (row: the number among ``items``).

    Raises UnknownName for a layout nobody registered, TypeError for an option it does not take.
    """
    writer = make(WRITERS, layout, options)
    if getattr(writer, "whole", False):  # it needs to see several episodes for a row
        yield from writer(items)
        return
    for number, item in enumerate(items):
        try:
            found = row_of(layout, item, writer)
        except Exception as err:
            yield Dropped("", number, item.key.instance, reason_of(err))
            continue
        if isinstance(found, list) and layout.startswith("trl-"):
            yield from found
        else:
            yield found


def row_id(item: Episode) -> str:
    """The id a row had before ``#2`` told it from others of the same one."""
    return str(item.info.get("repeats", item.instance.id))


class _Ids:
    """Ids seen, as 8 bytes each."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._again: dict[str, int] = {}

    def unique(self, item: Episode) -> Episode:
        name = str(item.key)
        mark = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        if mark not in self._seen:
            self._seen.add(mark)
            return item
        count = self._again[name] = self._again.get(name, 1) + 1
        named = f"{item.instance.id}#{count}"
        inst, key = replace(item.instance, id=named), replace(item.key, instance=named)
        return replace(item, key=key, instance=inst, info={**item.info, "repeats": item.instance.id})


def _id_of(row: Any) -> str:
    found = row.get("id") if isinstance(row, Mapping) else None
    return str(found)[:200] if isinstance(found, (str, int)) else ""


def reason_of(err: Exception) -> str:
    """Why a row was dropped, in a line."""
    text = " ".join(str(err).split())[:300]
    return text if isinstance(err, BadRow) else f"{type(err).__name__}: {text}"
