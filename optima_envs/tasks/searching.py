"""hotpotqa-search and twohop-search: two-hop questions whose passages stand behind a search tool."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from ..records import ENVIRONMENT, Instance, Turn
from ..scoring.parsing import normalise
from ..spec import TOOLS, EnvSpec, Sheet
from ..tools.actions import parse_action
from .dataset import Dataset
from .hotpotqa import SPEC as HOTPOTQA
from .hotpotqa import HotpotQA
from .loading import Row
from .multihop import clean_text, paragraphs, row_name
from .splitting import Paragraph
from .twohop import TwoHop

NOTES = (
    "nobody holds anything: search[query] shows the 3 best passages, lookup[word] a sentence of the first of them",
    "passages are shuffled by the instance's id; who states what no observation showed has guessed (supported)",
)
SPEC = replace(
    HOTPOTQA,
    id="optima/hotpotqa-search-v0",
    task="optima_envs.tasks.searching:HotpotSearch",
    rules=TOOLS,
    defaults={"world": "search"},
    sheet=replace(
        HOTPOTQA.sheet,
        summary="HotpotQA (distractor): its paragraphs behind a search tool, for one agent.",
        notes=("two-hop questions; up to 10 Wikipedia paragraphs, 2 of them supporting", *NOTES),
    ),
)
TWOHOP = EnvSpec(
    "optima/twohop-search-v0",
    "optima_envs.tasks.searching:TwoHopSearch",
    TOOLS,
    "f1",
    {"world": "search"},
    Sheet(
        "Two-hop questions over a made-up world, its facts behind a search tool, for one agent.",
        notes=("the instances of twohop-asym; every fact is a passage of its own", *NOTES),
    ),
)


class HotpotSearch(Dataset):
    """See ``Dataset`` for what is raised."""

    name = "hotpotqa-search"
    source = HotpotQA.source
    usual = HotpotQA.usual

    def build(self, row: Row, index: int) -> Instance:
        found, notes = paragraphs(row)
        inst = Instance(row_name(row), clean_text(row, "question"), (clean_text(row, "answer"),))
        return _behind_search(inst, found, notes)

    def solution(self, inst: Instance) -> dict[str, list[str]]:
        """What each role says in a perfect dialogue: a search for each supporting title, and the answer."""
        return _solution(inst, inst.meta["gold"])

    @staticmethod
    def supported(inst: Instance, turns: Sequence[Turn]) -> bool | None:
        """Whether an observation held the final answer before it was stated (see ``seen_before``)."""
        return seen_before(turns)


class TwoHopSearch:
    """The two-hop world with each of its facts as a passage. Raises as ``TwoHop`` does.

    ``split``: train, validation or test. ``seed``: another one gives other instances. ``hops``: facts in a chain.
    ``distractors``: parallel chains that do not matter. ``size``: how many instances there are.
    """

    name = "twohop-search"

    def __init__(
        self, split: str = "test", *, seed: int = 0, hops: int = 2, distractors: int = 5, size: int = 1_000_000
    ) -> None:
        self._world = TwoHop(split, seed=seed, hops=hops, distractors=distractors, size=size)
        self.split = split

    def __len__(self) -> int:
        return len(self._world)

    def __getitem__(self, index: int) -> Instance:
        inst = self._world[index]
        facts = sorted(line for held in inst.private.values() for line in held.splitlines())
        gold = [f"{relation} of {subject}" for relation, subject, _ in inst.meta["gold"]]
        bare = Instance(inst.id, inst.question, inst.answers)
        return _behind_search(bare, [Paragraph("", fact) for fact in facts], [], gold)

    def solution(self, inst: Instance) -> dict[str, list[str]]:
        """What each role says in a perfect dialogue: a search for each fact of the chain, and the answer."""
        return _solution(inst, inst.meta["gold"])

    @staticmethod
    def supported(inst: Instance, turns: Sequence[Turn]) -> bool | None:
        """Whether an observation held the final answer before it was stated (see ``seen_before``)."""
        return seen_before(turns)


def seen_before(turns: Sequence[Turn]) -> bool | None:
    """Whether the world showed the answer stated last before it was first stated; None without an answer. Right or
    wrong does not matter, and yes or no can only be a guess in this sense."""
    stated = [None if turn.agent == ENVIRONMENT else parse_action(turn.text, None).answer for turn in turns]
    answers = [normalise(answer) for answer in stated if answer is not None]
    if not answers:
        return None
    first = next(at for at, answer in enumerate(stated) if answer is not None and normalise(answer) == answers[-1])
    return any(turn.agent == ENVIRONMENT and answers[-1] in normalise(turn.text) for turn in turns[:first])


def _behind_search(
    inst: Instance, found: Sequence[Paragraph], notes: Sequence[str], gold: Sequence[str] | None = None
) -> Instance:
    passages = [[paragraph.title, paragraph.text] for paragraph in found]
    random.Random(f"search/{inst.id}").shuffle(passages)
    titles = [paragraph.title for paragraph in found if paragraph.gold] if gold is None else list(gold)
    meta = {"passages": passages, "gold": titles, **({"notes": list(notes)} if notes else {})}
    return Instance(inst.id, inst.question, inst.answers, meta=meta)


def _solution(inst: Instance, queries: Sequence[str]) -> dict[str, list[str]]:
    searches = [f"search[{' '.join(query.replace('[', ' ').replace(']', ' ').split())}]" for query in queries]
    return {"actor": [*searches, f"Final Answer: {inst.answers[0]}"]}
