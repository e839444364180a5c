"""Settings of everything that plays dialogues: the environment, sampling, generation, trees, evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from .data_settings import Name
from .fields import Count, Positive, Settings, Share, Weight

if TYPE_CHECKING:
    from optima_envs import Scenario


class SplitConfig(Settings):
    """Where instances come from."""

    split: str | None = None
    """By its name in the data sheet (`optima envs show ID`); null: to train on, ``train``, to evaluate on, the one that
    the environment is usually evaluated on."""
    data: str | None = None
    """A local file (jsonl, json, parquet), used whole, or a hub id; null: what the environment uses by default."""
    ids: str | None = None
    """A file with the ids of the instances to use, one a line; null: all of them."""
    skip: Annotated[int, Field(ge=0)] = 0
    """So many of the first instances are left out, such as those that an expert showed before."""


class EnvConfig(Settings):
    """The environment, as ``optima_envs.scenario`` takes it."""

    id: str
    """Its id, such as twohop-asym or 2wmh-asym (`optima envs` lists them)."""
    train: SplitConfig = SplitConfig()
    """Instances to train on."""
    test: SplitConfig = SplitConfig()
    """Held-out instances to evaluate on."""
    max_turns: Count | None = None
    """Turns of a dialogue, at most; null: the environment's limit."""
    token_budget: Count | None = None
    """Sampled tokens of a dialogue, at most; null: no limit."""
    args: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """Further arguments of the task, such as ``distractors``."""

    def scenario(self, part: Literal["train", "test"]) -> Scenario:
        """The environment on its training or its test instances. Raises what ``optima_envs.scenario`` raises."""
        import optima_envs

        source = self.train if part == "train" else self.test
        split = source.split or ("train" if part == "train" else None)
        limits = {"max_turns": self.max_turns, "token_budget": self.token_budget}
        whole = optima_envs.scenario(self.id, split=split, data=source.data, **limits, **self.args)
        if source.ids is None and not source.skip:
            return whole
        from optima_envs.tasks.subset import Subset, by_ids, read_ids

        task = whole.task if source.ids is None else by_ids(whole.task, read_ids(source.ids))
        if source.skip >= len(task):
            raise ValueError(f"skip: {source.skip} instances left out of {len(task)} leave none")
        return replace(whole, task=Subset(task, range(source.skip, len(task))) if source.skip else task)

    def evaluation_split(self) -> str | None:
        """The split to evaluate on, without loading it; None: only the environment's task knows, as of a local file.

        Raises UnknownName for an environment that is not known.
        """
        import optima_envs

        usual = next((item.default for item in optima_envs.settings(self.id) if item.name == "split"), None)
        split = self.test.split or (None if self.test.data else usual)
        return split if isinstance(split, str) else None


class RolloutConfig(Settings):
    """Who plays the dialogues and trees of a run."""

    workers: str | None = None
    """``ray:local``, ``ray:auto`` or ``ray:HOST:PORT``, with ``?workers=4&gpus=1&cpus=2`` if wanted: processes of a Ray
    cluster, each with an engine of its own; null: the run's own process. Their ``concurrency`` is for each of them."""


class SamplingConfig(Settings):
    """How turns are sampled."""

    max_tokens: Count = 512
    """Tokens per turn, at most, the end-of-turn token included (the reference code: 2000)."""
    top_p: Share = 1.0
    """Nucleus sampling: tokens are drawn from the most likely ones that have this much probability together."""
    concurrency: Count = 64
    """Dialogues in flight."""
    episode_timeout: Positive = 600.0
    """Seconds until a dialogue is given up and recorded as failed."""


class GenerateConfig(SamplingConfig):
    """Training dialogues of one iteration (paper section 2.2; sizes from the reference recipes)."""

    instances: Count = 10_000
    """Instances of one iteration; a smaller task gives all it has."""
    samples: Count = 10
    """N dialogues per instance."""
    temperature: Annotated[tuple[Weight, ...], Field(min_length=1)] = (0.3, 0.7)
    """One per iteration; the last one holds for all later iterations."""
    formats: tuple[str, ...] | Literal["all"] | None = "all"
    """The format pool of iteration 0: names of ``optima_agents.formats``, ``plain`` for no hint among them; null:
    plain prompts from the start."""

    def temperature_in(self, iteration: int) -> float:
        """The temperature of an iteration, counted from 0."""
        return self.temperature[min(iteration, len(self.temperature) - 1)]


class ImagineConfig(SamplingConfig):
    """Exploration by imagined tasks (STE, arXiv 2403.04746; its constants). An explorer has one tool, and behind it the
    world of one training instance; it explores in episodes of a few trials each."""

    tools: Annotated[tuple[str, ...], Field(min_length=1)] | Literal["all"] = "all"
    """Tools that are explored, by name; all: those each instance offers."""
    first: Annotated[int, Field(ge=0)] = 0
    """The iteration that begins to explore; those before it imitate ``data`` alone."""
    instances: Count = 1
    """Training instances of an iteration whose worlds are explored, with every tool; a smaller task gives all."""
    episodes: Count = 15
    """Episodes of an explorer, one after another; what it remembers of earlier ones is its long memory."""
    trials: Count = 4
    """Trials of an episode: they share a conversation, the short memory."""
    turns: Count = 4
    """Actions of a trial at most; the final answer is one turn more."""
    temperature: Weight = 1.0
    """Of tasks and actions; judgements are greedy."""
    max_tokens: Count = 360
    """Tokens of a task, an action or a judgement, at most."""
    long_memory: Annotated[int, Field(ge=0)] = 20
    """Lines about earlier tasks in the request for the next one, the latest; 0: none."""
    judge: str = "self"
    """Who judges whether a trial solved its task: the explorer itself, or a backend such as ``openai:URL#MODEL``."""
    calls: Literal["last", "all"] = "last"
    """What is learned of a trial: its last successful call and the answer (paper), or the whole of it, for tasks that
    need several calls which build on each other."""


class TreeConfig(SamplingConfig):
    """Tree generation, iDPO's data (paper section 2.4 and App. H.1; what the paper leaves out, from its code)."""

    instances: Count = 10_000
    """Trees of one iteration."""
    rounds: Count = 8
    """Expansions of a tree; each plays ``rollouts`` dialogues to their end from the selected node."""
    rollouts: Count = 3
    """Dialogues of one expansion."""
    temperature: Weight = 0.7
    """Of every turn."""
    expand_distance: Share = 0.25
    """A node nearer than this to one expanded before (edit distance over the longer length) is no candidate."""
    merge_distance: Share = 0.1
    """Siblings nearer than this are one node."""
    top: Count = 10
    """Candidates of the highest value, among which a softmax over the values draws."""
    exhausted: Literal["stop", "again"] = "stop"
    """Without candidates the root is expanded again. When that brings nothing new: the tree is finished, or the rest
    of its rounds is spent the same way (reference code)."""
    values: Literal["children", "visits"] = "children"
    """A node's value: the mean of its children's (paper), or of all dialogues through it (reference code)."""


class AlsoConfig(Settings):
    """Another environment that every model of a run is evaluated on."""

    env: EnvConfig
    """The environment."""
    instances: Count = 200
    """Held-out instances, the first ones; a smaller task gives all it has."""


class EvaluateConfig(SamplingConfig):
    """Greedy dialogues on held-out instances, plain prompts."""

    instances: Count = 1_000
    """Held-out instances, the first ones; a smaller task gives all it has."""
    nll: bool = True
    """Also measure how likely the base model finds the dialogues."""
    also: dict[Name, AlsoConfig] = {}  # noqa: RUF012 - pydantic copies it
    """Further environments by names of your own, watched for what training makes the team forget."""
