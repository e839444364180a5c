"""Training rows: selected dialogues from each agent's view, exactly the sampled tokens, loss on own turns only.

A dialogue gives an agent one row while its prompts only grow at the end (prompt_k + ids_k is a prefix of the next
prompt); where a template breaks that, a new row begins. Format hints are stripped: a hinted turn's prompt is
rendered again from the plain view, while its completion stays the ids that were sampled (paper section 2.2).
Where the world replies, its replies are part of prompts alone, and of a turn in which an agent began to write such a
reply itself only what stands before that is trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from optima_envs.games.replies import Responds
from optima_envs.records import ENVIRONMENT
from optima_envs.tools.grammar import without_observation

from ..run.progress import ProgressReporter
from ..run.records import SelectedRow, TrainingRow, read_records, write_records
from ..run.stage import StageError, StageKind, StageResult
from .groups import GroupedLog

if TYPE_CHECKING:
    from optima_envs.games.rules import Rules, Turns
    from optima_envs.records import Episode, Turn, View

    from ..run.stage import StageContext

NO_IDS, TOO_LONG, OWN = "no sampled token ids", "longer than train.max_length", "what follows an own observation"
Render = Callable[["View"], list[int]]
Encode = Callable[[str], list[int]]


@dataclass(slots=True)
class RowBuilder:
    """A training row while turns are added to it."""

    instance: str
    sample: int
    agent: str
    turns: list[int] = field(default_factory=list)
    input_ids: list[int] = field(default_factory=list)
    completion_mask: list[int] = field(default_factory=list)

    def extend(self, number: int, prompt: list[int], ids: list[int]) -> None:
        """Append what ``prompt`` adds to the row, without loss, and ``ids``, with loss."""
        new = prompt[len(self.input_ids) :] + ids
        self.completion_mask += [0] * (len(new) - len(ids)) + [1] * len(ids)
        self.input_ids += new
        self.turns.append(number)

    def build(self) -> TrainingRow:
        return TrainingRow(**asdict(self))


def turns_with_history(rules: Rules, episode: Episode) -> Iterator[tuple[int, Turns, Turn]]:
    """(number, turns the speaker had heard, turn) of every agent's turn; simultaneous speakers heard the same ones."""
    start = 0
    while start < len(episode.turns):
        if episode.turns[start].agent == ENVIRONMENT:
            start += 1
            continue
        heard = episode.turns[:start]
        simultaneous = episode.turns[start : start + len(rules.speakers(episode.instance, heard))]
        yield from ((start + k, heard, turn) for k, turn in enumerate(simultaneous))
        start += len(simultaneous)


def rows_of(
    episode: Episode,
    rules: Rules,
    render: Render,
    limit: int | None,
    dropped: Counter[str],
    encode: Encode | None = None,
) -> list[TrainingRow]:
    """All rows of a dialogue. Turns that cannot be trained on are counted in ``dropped`` by reason, never cut, but for
    those that invent the world's reply, with the tokenizer's ``encode`` (None: left out whole)."""
    rows: list[RowBuilder] = []
    current: dict[str, RowBuilder] = {}
    for number, heard, turn in turns_with_history(rules, episode):
        if not turn.ids:
            dropped[NO_IDS] += 1
            continue
        ids = own_ids(turn, rules, encode)
        if len(ids) < len(turn.ids):
            dropped[OWN] += 1
        if not ids:
            continue
        hinted = bool(episode.info.get("format"))
        exact = None if hinted else turn.prompt_ids
        prompt = list(exact) if exact is not None else render(rules.view(episode.instance, heard, turn.agent))
        if limit is not None and len(prompt) + len(ids) > limit:
            dropped[TOO_LONG] += 1
            continue
        row = current.get(turn.agent)
        if row is None or prompt[: len(row.input_ids)] != row.input_ids:
            row = current[turn.agent] = RowBuilder(episode.instance.id, episode.key.sample, turn.agent)
            rows.append(row)
        row.extend(number, prompt, ids)
    return [row.build() for row in rows]


def own_ids(turn: Turn, rules: Rules, encode: Encode | None) -> list[int]:
    """The sampled ids of ``turn`` that are its speaker's to learn: up to where it began to speak for the world."""
    ids = list(turn.ids or ())
    if not isinstance(rules, Responds) or (kept := without_observation(turn.text)) == turn.text:
        return ids
    pairs = zip(ids, [] if encode is None else encode(kept), strict=False)
    return [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]


class BuildRows:
    """Reads the selection and the dialogues; writes ``rows.jsonl``."""

    name = "rows"
    reads = ("train",)
    kind: StageKind = "inference"
    resumes = False

    def run(self, ctx: StageContext) -> StageResult:
        from optima_envs.records import EpisodeKey

        rules = ctx.scenario("train").rules
        log = GroupedLog(ctx.input("generate").episodes)
        selected = list(read_records(ctx.input("select").selected, SelectedRow))
        limit = ctx.config.train.max_length
        render, encode = tokenizer(ctx)
        dropped: Counter[str] = Counter()
        counts: Counter[str] = Counter()

        def build() -> Iterator[TrainingRow]:
            progress = ProgressReporter(ctx.report, ctx.step.path, len(selected), "dialogues")
            for row in selected:
                episode = log.episode(EpisodeKey(row.instance, row.sample, row.seed))
                rows = rows_of(episode, rules, render, limit, dropped, encode)
                counts["empty"] += not rows
                counts["split"] += len(rows) > len({row.agent for row in rows})
                for row in rows:
                    counts["rows"] += 1
                    counts["turns"] += len(row.turns)
                    counts["trained"] += sum(row.completion_mask)
                    counts["tokens"] += len(row.input_ids)
                    counts["longest"] = max(counts["longest"], len(row.input_ids))
                    yield row
                progress.count()

        write_records(ctx.files.rows, build())
        if not counts["rows"]:
            why = ", ".join(f"{count} turns: {reason}" for reason, count in dropped.items())
            raise StageError(f"{ctx.step.path}: no row to train on ({why or 'the selected dialogues have no turns'})")
        return StageResult(
            {
                "dialogues": len(selected),
                "rows": counts["rows"],
                "turns": counts["turns"],
                "tokens": counts["tokens"],
                "trained_tokens": counts["trained"],
                "longest_row": counts["longest"],
                "dialogues_without_rows": counts["empty"],
                "dialogues_not_append_only": counts["split"],
                "dropped_turns": dict(dropped),
            }
        )


def tokenizer(ctx: StageContext) -> tuple[Render, Encode]:
    """Plain prompts and texts as the policy's own engine tokenises them; it is opened when it is first needed."""
    from optima_agents.backends.base import Tokens
    from optima_agents.prompts import messages

    def render(view: View) -> list[int]:
        backend = ctx.engines.backend(ctx.policy)
        if not isinstance(backend, Tokens):
            raise StageError(f"backend {ctx.config.backend!r} has no tokenizer; set generate.formats to null")
        return list(backend.render(messages(view)))

    def encode(text: str) -> list[int]:
        backend = ctx.engines.backend(ctx.policy)
        return list(backend.encode(text)) if isinstance(backend, Tokens) else []

    return render, encode
