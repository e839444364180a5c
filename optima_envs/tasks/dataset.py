"""A dataset as a task: rows checked when loaded, one Instance each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

from ..records import Instance
from .loading import Broken, Data, DataError, Row, Source, is_row, load_rows, local_path, split_named_by

KEEP = 20_000  # instances of longer splits are built again at each access, so that memory stays flat


class RowError(ValueError):
    """A row that breaks the schema."""


class UnusableRowError(RowError):
    """A well-formed row that nobody can be scored on (no gold answer in the source): always left out, and counted."""


@dataclass(frozen=True)
class Skipped:
    """One row left out. ``row`` counts from 1; ``unusable`` rows are well-formed, the others break the schema."""

    row: int
    id: str
    reason: str
    unusable: bool


class Dataset(Sequence[Instance], ABC):
    """A sequence of instances; a subclass names its environment and source and builds one instance from one row.

    ``split``: by default the one a local file is named after, or else the one the paper evaluates on (``usual``).
    ``data``: a local file, folder, hub copy or list of rows (see loading.py); by default the source's files on the hub.
    ``skip_bad_rows``: leave out rows that break the schema instead of stopping at the first.

    Every row is built once when loaded. ``skipped`` lists the rows left out, with reasons. Raises DataError for an
    unknown split, data that cannot be read, the first row that breaks the schema (unless ``skip_bad_rows``) or
    repeats an id, and when no row is left.
    """

    name: ClassVar[str]
    source: ClassVar[Source]
    usual: ClassVar[str] = "test"

    def __init__(self, split: str | None = None, data: Data = None, *, skip_bad_rows: bool = False) -> None:
        path = local_path(data)
        file = path if path and path.is_file() else None
        wanted = split or (split_named_by(file) if file else None) or self.usual
        self.split = self.source.split(self.name, wanted, local=file is not None)
        self._rows, self.origin = load_rows(self.name, self.source, self.split, data)
        self._good: list[int] = []
        self._kept: list[Instance] | None = [] if len(self._rows) <= KEEP else None
        skipped: list[Skipped] = []
        for index, found in self._scan():
            if isinstance(found, Instance):
                self._good.append(index)
                if self._kept is not None:
                    self._kept.append(found)
                continue
            row_id = _row_id(self._rows[index])
            if not (skip_bad_rows or isinstance(found, UnusableRowError)):
                where = f"{self.name}: {self.origin}, row {index + 1} (id {row_id})"
                raise DataError(f"{where}: {found}; mend the row or pass skip_bad_rows=True")
            skipped.append(Skipped(index + 1, row_id, str(found), isinstance(found, UnusableRowError)))
        self.skipped = tuple(skipped)
        if not self._good:
            why = f"; row {skipped[0].row}: {skipped[0].reason}" if skipped else ""
            raise DataError(f"{self.name}: {self.origin} has no usable row ({len(skipped)} skipped{why})")

    @abstractmethod
    def build(self, row: Row, index: int) -> Instance:
        """The instance of one row (``index`` counts from 0). Raises RowError or UnusableRowError."""

    def __len__(self) -> int:
        return len(self._good)

    @overload
    def __getitem__(self, index: int, /) -> Instance: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[Instance]: ...
    def __getitem__(self, index: int | slice, /) -> Instance | list[Instance]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if self._kept is not None:
            return self._kept[index]
        row = self._good[index]
        return self.build(self._rows[row], row)

    def __repr__(self) -> str:
        return f"<{self.name} {self.split}: {len(self)} instances from {self.origin}, {len(self.skipped)} rows skipped>"

    def find(self, id: str) -> int:  # noqa: A002 - the field's name for it
        """The index of the instance with this id. Raises KeyError."""
        for index in range(len(self)):
            if self[index].id == id:
                return index
        raise KeyError(f"{self.name} {self.split} has no instance {id!r}")

    def _scan(self) -> Iterator[tuple[int, Instance | RowError]]:
        seen: dict[str, int] = {}
        for index in range(len(self._rows)):
            found: Instance | RowError
            try:
                row: object = self._rows[index]
                if not is_row(row):
                    raise RowError(row.reason if isinstance(row, Broken) else f"not an object but {type(row).__name__}")
                found = self.build(row, index)
                if found.id in seen:
                    raise RowError(f"the id {found.id} was used by row {seen[found.id] + 1}")
                seen[found.id] = index
            except RowError as err:
                found = err
            yield index, found


class SplitDataset(Dataset):
    """A dataset whose context is dealt out among the agents, which are the game's.

    ``seed``: another one deals the same context in another way.
    """

    usual = "validation"

    def __init__(
        self,
        split: str | None = None,
        data: Data = None,
        *,
        agents: Sequence[str] = ("Alice", "Bob"),
        seed: int = 0,
        skip_bad_rows: bool = False,
    ) -> None:
        self.agents, self.seed = tuple(agents), seed
        super().__init__(split, data, skip_bad_rows=skip_bad_rows)


def _row_id(row: object) -> str:
    if is_row(row):
        for key in ("_id", "id", "question_id", "QuestionId"):
            if key in row:
                return str(row[key])[:80]
    return "unknown"


def need(row: Row, key: str, kind: type[Any] | tuple[type[Any], ...] = str) -> Any:
    """``row[key]``. Raises RowError when it is missing or of another type."""
    if key not in row or row[key] is None:
        raise RowError(f"{key!r} is missing")
    value = row[key]
    if not isinstance(value, kind):
        wanted = kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
        raise RowError(f"{key!r} is {type(value).__name__}, not {wanted}")
    return value


def need_text(row: Row, key: str) -> str:
    """``row[key]`` as text without outer white space. Raises RowError when it is missing, no text, or empty."""
    text = need(row, key).strip()
    if not text:
        raise RowError(f"{key!r} is empty")
    return text


def need_texts(row: Row, key: str) -> list[str]:
    """``row[key]`` as a list of texts, each kept as it is. Raises RowError."""
    items = list(need(row, key, (list, tuple)))
    if not all(isinstance(item, str) for item in items):
        raise RowError(f"{key!r} holds something that is not text")
    return items
