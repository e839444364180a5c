"""Our own record, one JSON object a line, as every log of dialogues holds it; and as a table (see frames.py), whose
column ``record`` brings it back.
"""

from __future__ import annotations

from typing import Any

from optima_envs.records import Episode

from ..files import parse
from ..frames import table_row
from ..messages import fields
from ..registry import Read, Where, Write
from ..transcript import masked


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        record = fields(row).get("record")
        item = Episode.from_json(fields(parse(record)) if isinstance(record, str) else row)
        masked(item)  # raises for what says nothing of its turns
        return item

    return read


def writer() -> Write:
    return Episode.to_json


def table_writer() -> Write:
    """A table for notebooks: plain columns, and the whole record as JSON."""
    return table_row
