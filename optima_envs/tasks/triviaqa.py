"""triviaqa-asym: TriviaQA reading comprehension, its evidence split between the agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ..records import Instance
from ..spec import EnvSpec, Sheet
from .dataset import RowError, SplitDataset, UnusableRowError, need, need_text
from .loading import Data, Row, Source, is_list, is_row
from .splitting import Paragraph, deal, held_titles

UNKNOWN = "<unk>"
_AUTHORS = {"Question": "question", "QuestionId": "question_id", "Answer": "answer", "SearchResults": "search_results"}

SPEC = EnvSpec(
    "optima/triviaqa-asym-v0",
    "optima_envs.tasks.triviaqa:TriviaQA",
    sheet=Sheet(
        "TriviaQA (rc): search snippets split between the agents.",
        source="hub mandarjoshi/trivia_qa, config rc, files of a pinned commit; also the authors' JSON",
        licence="not stated by the hub card",
        splits={"train": 138_384, "validation": 17_944},
        evaluation="validation, first 1,000",
        paper="Joshi et al. 2017, arXiv 1705.03551",
        metric="SQuAD F1, best of all aliases; the paper's token F1 is metric=token-f1",
        notes=(
            "trivia questions; evidence: web search snippets, or the beginnings of Wikipedia pages",
            "support is not annotated: the answer may lie in either half, in both, or (distant supervision) in none",
            "the test split's answers are withheld",
        ),
    ),
)


class TriviaQA(SplitDataset):
    """``page_chars``: where a question has no snippets, whole leading paragraphs of its pages, up to so many
    characters. See ``Dataset`` for what is raised."""

    name = "triviaqa-asym"
    source = Source(
        "mandarjoshi/trivia_qa",
        "0f7faf33a3908546c6fd5b73a660e0f8ff173c2f",
        {"train": ("rc/train-*.parquet",), "validation": ("rc/validation-*.parquet",)},
    )

    def __init__(
        self,
        split: str | None = None,
        data: Data = None,
        *,
        page_chars: int = 6_000,
        agents: Sequence[str] = ("Alice", "Bob"),
        seed: int = 0,
        skip_bad_rows: bool = False,
    ) -> None:
        self.page_chars = page_chars
        super().__init__(split, data, agents=agents, seed=seed, skip_bad_rows=skip_bad_rows)

    def build(self, row: Row, index: int) -> Instance:
        row = {_AUTHORS.get(key, key): value for key, value in row.items()}
        answers = _answers(need(row, "answer", Mapping))
        evidence, kind = _snippets(row.get("search_results")), "web"
        if not evidence:
            evidence, kind = _pages(row.get("entity_pages"), self.page_chars), "wiki"
        if not evidence:
            raise UnusableRowError("neither search snippets nor pages: there is nothing to read")
        # the hub gives a question found in both of the authors' files twice, under one id
        row_id = f"{need_text(row, 'question_id')}-{kind}"
        halves = deal(evidence, self.agents, row_id, seed=self.seed)
        notes = [] if kind == "web" else ["no search snippets: leading paragraphs of the pages instead"]
        said = " ".join(paragraph.text for paragraph in evidence).lower()
        if not any(answer.lower() in said for answer in answers):
            notes.append("no alias of the answer occurs in the evidence")
        return Instance(
            id=row_id,
            question=_unquote(need_text(row, "question")),
            answers=answers,
            private={agent: "\n\n".join(map(str, held)) for agent, held in halves.items()},
            meta={"held": held_titles(halves)["held"], **({"notes": notes} if notes else {})},
        )


def _answers(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The value first, then its aliases, each once."""
    value = answer.get("value", answer.get("Value"))
    aliases: object = answer.get("aliases", answer.get("Aliases")) or []
    if not isinstance(value, str) or not is_list(aliases) or not all(isinstance(alias, str) for alias in aliases):
        raise RowError("'answer' has no text under 'value', or an alias that is not text")
    golds = tuple(dict.fromkeys(text.strip() for text in (value, *aliases) if text.strip()))
    if not golds or golds == (UNKNOWN,):
        raise UnusableRowError("the answer is withheld")
    return golds


def _unquote(question: str) -> str:
    # some questions kept the quoting of a CSV file
    if len(question) > 2 and question[0] == question[-1] == '"' and '""' in question:
        return question[1:-1].replace('""', '"').strip()
    return question


def _columns(value: object, *names: str) -> list[tuple[str, ...]]:
    """The texts of a struct of lists (hub) or a list of structs (authors); missing ones are empty."""
    if value is None:
        return []
    if is_row(value):
        given: list[object] = [value.get(name) or [] for name in names]
        columns = [column for column in given if is_list(column)]
        if len(columns) < len(given):
            raise RowError(f"one of {', '.join(map(repr, names))} is not a list")
        return [tuple(map(_text, texts)) for texts in zip_longest(*columns)]
    items = value if is_list(value) else [None]
    rows = [item for item in items if is_row(item)]
    if len(rows) < len(items):
        raise RowError("'search_results' or 'entity_pages' holds neither a struct of lists nor a list of structs")
    return [tuple(_text(row.get(name, row.get(name.title()))) for name in names) for row in rows]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _snippets(value: object) -> list[Paragraph]:
    found = [Paragraph(title.strip(), text.strip()) for text, title in _columns(value, "description", "title")]
    return list(dict.fromkeys(paragraph for paragraph in found if paragraph.text))


def _pages(value: object, limit: int) -> list[Paragraph]:
    found: list[Paragraph] = []
    pages = _columns(value, "wiki_context", "title")
    for text, title in pages:
        room = limit // len(pages)
        for part in filter(None, map(str.strip, text.split("\n"))):
            room -= len(part)
            if room < 0 and found:
                break
            found.append(Paragraph(title.strip(), part))
    return found
