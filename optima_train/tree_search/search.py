"""Tree search on one instance: rounds of rollouts from a selected node to their ends, merged,
rewarded, back-propagated.

The dialogues of a round speak side by side, turn by turn, and are merged in a fixed order: so a tree depends on its
seed alone, not on which completion came first. Rounds wait for each other; many trees share one engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING

from optima_agents.dialogue import Dialogue
from optima_agents.guard import EnvError, env, failure, guarded, together
from optima_envs.codec import strict_json
from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn
from optima_envs.rewards import Breakdown, Reward

from ..run.stage import derive
from .tree import Ending, Played, Tree

if TYPE_CHECKING:
    from optima_agents.policy import Policy
    from optima_envs.scenario import Scenario

    from ..config.settings import TreeConfig

DECIMALS = 9  # what is left of a number when the noise of whatever shared a batch with it is gone


@dataclass(slots=True)
class Round:
    """What a round did: the node it began at, its first new node, its dialogues, and counts, of which
    ``sampled_tokens`` include those of the turns that were merged into a sibling."""

    instance: str
    number: int
    expanded: int
    first_node: int
    dialogues: list[Played] = field(default_factory=list)
    sampled_tokens: int = 0
    merged_turns: int = 0
    merged_tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0

    def count(self, turn: Turn, merged: bool) -> None:
        self.sampled_tokens += turn.tokens
        self.merged_turns += merged
        self.merged_tokens += turn.tokens * merged
        if turn.usage is not None:
            self.prompt_tokens += turn.usage.prompt_tokens
            self.cached_tokens += turn.usage.cached_tokens


@dataclass(slots=True)
class Branch:
    """A dialogue on its way down: its node, the seconds it has left, why it failed."""

    dialogue: Dialogue
    node: int
    seconds_left: float
    error: ErrorInfo | None = None

    def move(self, tree: Tree, node: int) -> None:
        self.node = node
        self.dialogue.turns = tree.turns(node)


class TreeSearch:
    """Grows trees of one scenario with one team; ``config.concurrency`` turns are sampled at a time over all trees."""

    def __init__(
        self, scenario: Scenario, team: Mapping[str, Policy], reward: Reward, config: TreeConfig, seed: int
    ) -> None:
        self._scenario, self._team, self._reward = scenario, team, reward
        self._config, self._seed = config, seed
        self._slots = asyncio.Semaphore(config.concurrency)

    async def grow(self, tree: Tree, index: int, done: Callable[[Round], None]) -> None:
        """Play the rounds that ``tree``, of the instance at ``index`` of the task, still lacks; ``done`` is called
        after each. An exhausted tree may end early (``TreeConfig.exhausted``); failed dialogues are part of the tree.
        Raises EngineDead, and StageError from the reward."""
        try:
            inst = self._scenario.task[index]
        except Exception as err:
            inst = err
        stop = self._config.exhausted == "stop"
        while tree.rounds < self._config.rounds and not (stop and tree.exhausted):
            done(await self.play(tree, inst, f"index-{index}"))

    async def play(self, tree: Tree, inst: Instance | Exception, name: str = "") -> Round:
        """One round; ``name`` stands for an instance that could not be loaded.

        Dialogue k of round r has the seeds of sample ``r * rollouts + k`` of its instance.
        """
        config, number = self._config, tree.rounds
        name = inst.id if isinstance(inst, Instance) else name
        rng = Random(derive(self._seed, "choose", name, number))
        start = tree.select(rng, top=config.top, distance=config.expand_distance)
        branches = []
        for k in range(config.rollouts):
            key = EpisodeKey(name, number * config.rollouts + k, self._seed)
            dialogue = Dialogue(self._scenario, key, inst, {}, retries=0, keep_ids=True)
            branches.append(Branch(dialogue, start, config.episode_timeout))
            branches[-1].move(tree, tree.after(start).id)
        record, unfinished = Round(name, number, start, len(tree.nodes)), branches
        while unfinished:
            unfinished = await self._advance(tree, unfinished, record)
        record.dialogues = [Played(branch.node, branch.error) for branch in branches]
        tree.finish(start, record.dialogues)
        if isinstance(inst, Instance):
            await self._reward_and_backpropagate(tree, inst)
        return record

    async def _advance(self, tree: Tree, unfinished: list[Branch], record: Round) -> list[Branch]:
        """One turn in every branch; returns those that go on."""
        fresh: list[Branch] = []
        for branch, turn in zip(unfinished, await together(map(self._next_turn, unfinished), hurry=True), strict=True):
            if isinstance(turn, ErrorInfo):
                branch.error = turn
                continue
            try:
                merged = self._place(tree, branch, turn)
            except EnvError as err:
                tree.nodes[branch.node].ending = ending(failure(err))
                merged = False
            else:
                if not merged:
                    fresh.append(branch)
            record.count(turn, merged)
        limit = self._config.episode_timeout
        endings = await together((guarded(branch.dialogue.ended(), limit) for branch in fresh), hurry=True)
        for branch, ended in zip(fresh, endings, strict=True):
            if ended is not None:
                tree.nodes[branch.node].ending = ending(ended)
        continuing = []
        for branch in unfinished:
            end = tree.nodes[branch.node].ending
            if branch.error is None and end is not None:
                branch.error = end.error
            elif branch.error is None:
                continuing.append(branch)
        return continuing

    def _place(self, tree: Tree, branch: Branch, turn: Turn) -> bool:
        """Move the branch to the turn's node and on to the world's reply to it; whether it was merged. Raises EnvError
        with the branch at a node of its own."""
        dialogue = branch.dialogue
        effect = getattr(self._scenario.rules, "effect", None)
        before = dialogue.turns

        def alike(other: Turn) -> bool:
            # turns that ask for something else lead somewhere else, however few letters they differ in
            return effect is None or env(effect, dialogue.inst, before, turn) == env(
                effect, dialogue.inst, before, other
            )

        try:
            node, merged = tree.add_or_merge(branch.node, turn, self._config.merge_distance, alike)
        except EnvError:
            branch.move(tree, tree.add(branch.node, turn).id)
            raise
        branch.move(tree, tree.after(node.id).id)
        if not merged:
            dialogue.hear()
            if len(dialogue.turns) > len(before) + 1:
                branch.move(tree, tree.add(node.id, dialogue.turns[-1]).id)
        return merged

    async def _next_turn(self, branch: Branch) -> Turn | ErrorInfo:
        async def turns() -> tuple[Turn, ...]:
            branch.dialogue.ready()
            return await branch.dialogue.speak(self._team)

        async with self._slots:
            started = time.perf_counter()
            result = await guarded(turns(), branch.seconds_left)
            branch.seconds_left -= time.perf_counter() - started
        if not isinstance(result, ErrorInfo):
            if len(result) == 1:
                return result[0]
            return ErrorInfo("env", f"{len(result)} agents speak at once, but a node of a tree is one turn")
        late = result.kind == "timeout"
        return ErrorInfo("timeout", f"no end after {self._config.episode_timeout:g} s") if late else result

    async def _reward_and_backpropagate(self, tree: Tree, inst: Instance) -> None:
        """Reward every distinct dialogue of the tree within the group of them all, and back-propagate."""
        leaves = tree.leaves()
        episodes = []
        for leaf, end in leaves:
            key, turns = EpisodeKey(inst.id, leaf.id, self._seed), tree.turns(leaf.id)
            episodes.append(Episode(key, self._scenario.id, inst, turns, end.outcome, end.score, end.correct))
        rows = [
            Breakdown(round(row.total, DECIMALS), {k: round(v, DECIMALS) for k, v in row.terms.items()}, row.error)
            for row in await self._reward(episodes)
        ]
        tree.backpropagate(dict(zip([leaf.id for leaf, _ in leaves], rows, strict=True)), self._config.values)


def ending(ended: ErrorInfo | tuple[Outcome, float, bool]) -> Ending:
    """How a dialogue ended; one that failed to, or whose answer JSON cannot hold, fails with the reason."""
    if isinstance(ended, ErrorInfo):
        return Ending(Outcome("error"), error=ended)
    end = Ending(*ended)
    try:
        strict_json(asdict(end))
    except (TypeError, ValueError, RecursionError) as err:
        why = f"an outcome must be plain JSON: {type(err).__name__}: {err}"
        return Ending(Outcome("error"), error=ErrorInfo("env", why[:2000]))
    return end
