"""Training rows of collected trajectories: the same rows as those of our own dialogues (stages/rows.py), each turn's
prompt rendered by the model's own template and its completion the text's tokens and the end of turn.

No prefix is tokenised again, so no token moves at the seam; a template that rewrites what it has said begins a new row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optima_envs.keywords import Keywords
from optima_envs.records import ENVIRONMENT, Episode, Turn
from optima_envs.registry import load_attr
from optima_envs.spec import spec

from ..run.records import TrainingRow
from ..stages.generate import hinted_prompt
from ..stages.rows import NO_IDS, rows_of
from .transcript import AGENT, OTHERS, USER, BadRow, Transcript, episode, imported, masked, messages, trained

if TYPE_CHECKING:
    from optima_agents.backends.chat.templates import ChatTokenizer
    from optima_envs.games.rules import Rules

HINT = "hint"
"""The key in an episode's ``info`` with the instruction its prompts are learned under."""
UNBOUNDED = 10**9  # what a tokenizer says that knows no limit


class Tokeniser:
    """Rows by one model's tokenizer and template; ``dropped`` counts turns left out by reason, ``limit`` bounds rows.

    ``rules`` gives those of an environment by its full id, or None: they are made from its spec then.
    """

    def __init__(
        self, model: str, limit: int | None = None, rules: Callable[[str], Rules | None] = lambda env: None
    ) -> None:
        from optima_agents.backends.chat.model_files import load_tokenizer, resolve
        from optima_agents.backends.chat.templates import ChatTokenizer

        tokenizer = load_tokenizer(resolve(model))
        self.chat: ChatTokenizer = ChatTokenizer(tokenizer)
        window = tokenizer.model_max_length
        self.limit = limit or (window if window < UNBOUNDED else None)
        self.dropped: Counter[str] = Counter()
        self._rules: dict[tuple[str, tuple[str, ...]], Rules] = {}
        self._given = rules

    def rows(self, item: Episode) -> list[TrainingRow]:
        """All rows of an episode. Raises UnknownName for a dialogue of an environment nobody registered."""
        own: Counter[str] = Counter()
        foreign = imported(item)
        rules: Any = Transcript(item) if foreign else self._rules_of(item)
        hint = item.info.get(HINT)
        hint = hint if isinstance(hint, str) else None
        say: Any = messages if foreign else hinted_prompt
        render = lambda view: self.chat.render(say(view, hint))  # noqa: E731
        rows = rows_of(self._tokenised(item), rules, render, self.limit, own, self.chat.encode)
        del own[NO_IDS]  # those without loss have none
        self.dropped += own
        return rows

    def _tokenised(self, item: Episode) -> Episode:
        """With ids on the turns that carry a loss, and on no other."""
        learned = set(trained(item))
        turns = [replace(turn, prompt_ids=None, ids=None) for turn in item.turns]
        for number in learned:
            turns[number] = replace(turns[number], ids=tuple(self._ids(item.turns[number])))
        return replace(item, turns=tuple(turns))

    def _ids(self, turn: Turn) -> list[int]:
        """What was sampled, if this tokenizer sampled it; else the text's tokens and the end of turn."""
        chat = self.chat
        if turn.ids and max(turn.ids) < len(chat.tokenizer) and chat.decode(turn.ids) == turn.text:
            return list(turn.ids)
        end = [] if chat.end_of_turn is None or turn.finish == "length" else [chat.end_of_turn]
        return chat.encode(turn.text) + end

    def _rules_of(self, item: Episode) -> Rules:
        key = item.env, agents_of(item)
        if key not in self._rules:
            self._rules[key] = self._given(item.env) or rules_of(item)
        return self._rules[key]


def agents_of(item: Episode) -> tuple[str, ...]:
    """The names in a dialogue of ours, in their order."""
    spoke = dict.fromkeys(turn.agent for turn in item.turns if turn.agent not in OTHERS)
    return tuple(item.instance.private) or tuple(spoke)


def rules_of(item: Episode) -> Rules:
    """The rules of a dialogue's environment with its default limits; no data is opened. Raises UnknownName."""
    made = spec(item.env)
    factory = load_attr(made.rules) if isinstance(made.rules, str) else made.rules
    takes, agents = Keywords.of(factory), agents_of(item)
    kwargs = {key: value for key, value in made.defaults.items() if key in takes}
    return factory(**(kwargs | ({"agents": agents} if len(agents) > 1 and "agents" in takes else {})))


def as_transcript(item: Episode) -> Episode:
    """A dialogue of ours in which one agent acts on a world, as a transcript like those of other people. Raises BadRow
    for one of several agents."""
    from optima_agents.prompts import messages as prompt

    rules = rules_of(item)
    agent, *others = rules.agents
    if others:
        raise BadRow("several agents speak, so it is no run of one agent")
    speakers = {"user": USER, "assistant": AGENT, ENVIRONMENT: ENVIRONMENT}
    told = [*prompt(rules.view(item.instance, item.turns, agent))]
    hidden = masked(item)
    if hidden and len(told) - 2 != len(item.turns):
        raise BadRow("several attempts were made, so its masked turns have lost their places")
    made = episode(
        item.env.rpartition("/")[2],
        item.instance.id,
        told[1]["content"],
        [Turn(speakers[row["role"]], row["content"]) for row in told[2:]],
        system=told[0]["content"],
        answers=item.instance.answers,
        answer=item.outcome.answer,
        score=None if item.info.get("unscored") else item.score,
        masked=sorted(hidden),
    )
    return replace(made, key=item.key)
