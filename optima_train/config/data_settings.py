"""Settings of other people's trajectories: where they are, what is done to them, in which shares they are mixed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .fields import Count, Positive, Settings, Weight

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
"""A name of the user's own, fit for a file's name."""


class ExpertConfig(Settings):
    """Scripted dialogues of a team that knows the answers (``optima_agents.experts``), on the run's own training
    instances."""

    styles: Annotated[tuple[str, ...], Field(min_length=1)] = ("plain",)
    """How the dialogues are worded: one of each instance in each style. All but ``plain`` are learned under the hint of
    the format of the same name."""
    instances: Count = 1_000
    """The first ones; a smaller task gives all it has."""


class SourceConfig(Settings):
    """One source of trajectories: files, or a scripted expert."""

    read: str = ""
    """The layout: a name in ``trajectories.READERS``, such as ``agentinstruct`` or ``optima`` (our own logs)."""
    files: tuple[str, ...] = ()
    """jsonl, json, csv or parquet, one after another."""
    expert: ExpertConfig | None = None
    """In the place of files: `expert: {styles: [plain, notes]}`."""
    options: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """Of the reader, such as ``questions`` for NAT."""
    steps: tuple[str | dict[str, dict[str, Any] | None], ...] = ()
    """Names in ``STEPS`` in the order they are taken, with options: ``[dedupe, {keep: {min_score: 1.0}}]``."""
    weight: Weight = 1.0
    """Share of the rows beside those of the other sources; 0: its files are never opened."""
    general: bool = False
    """General data, which keeps what the model could before; ``mix.eta`` divides the rows between it and the rest."""
    iterations: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    """Iterations that use it (rounds of continual learning); null: all."""

    @model_validator(mode="after")
    def _one_kind(self) -> SourceConfig:
        if self.expert is None and not (self.read and self.files):
            raise ValueError("a source needs read and files, or expert")
        if self.expert is not None and (self.read or self.files or self.options):
            raise ValueError("a source is either files (read, files, options) or an expert, not both")
        return self


class MixConfig(Settings):
    """How rows of all sources become one training set."""

    rows: Count | None = None
    """Rows of an iteration; null: as many as its sources hold together."""
    eta: Annotated[float, Field(ge=0, le=1)] | None = None
    """AgentTuning's share of agent data; the rest is general data. Null: the weights alone decide."""
    own: Weight = 0.0
    """Weight of this run's own selected dialogues, where the method samples any (ste: 0 is 1)."""
    replay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of each earlier iteration's new rows that is trained on again, on top (STE: 0.1)."""


class ConditionConfig(Settings):
    """Learning from outcomes (NAT, arXiv 2402.11651): dialogues are divided into classes by their outcome, each class
    is learned under a sentence of its own, and the team plays under the sentence of ``infer``."""

    by: Literal["score", "reward"] = "score"
    """What an outcome is: the metric's score, or the reward of dialogues that this run sampled and ranked."""
    cuts: Annotated[tuple[float, ...], Field(min_length=1)] = (1.0,)
    """In rising order. Below the first cut a dialogue is of the first class, from there on of the second."""
    names: Annotated[tuple[Name, ...], Field(min_length=2)] = ("incorrect", "correct")
    """Of the classes, the worst first: one more than there are cuts."""
    texts: Annotated[tuple[str, ...], Field(min_length=2)] = (
        "Give an incorrect answer in this talk.",
        "Give a correct answer in this talk.",
    )
    """The sentence of each class. It stands at the end of the instructions, in training and when the team plays."""
    ratio: dict[Name, Positive] = {}  # noqa: RUF012 - pydantic copies it
    """At most so many dialogues of a class for each of the best one, `{incorrect: 2.0}`; a class without: all."""
    infer: str | None = None
    """The class under whose sentence the team is evaluated and samples; a run without it is refused."""

    @model_validator(mode="after")
    def _fits(self) -> ConditionConfig:
        if list(self.cuts) != sorted(set(self.cuts)):
            raise ValueError("condition.cuts must rise")
        if not len(self.names) == len(self.texts) == len(self.cuts) + 1:
            raise ValueError(
                f"condition: {len(self.cuts)} cuts make {len(self.cuts) + 1} classes, but there are {len(self.names)} "
                f"names and {len(self.texts)} texts"
            )
        if len(set(self.names)) < len(self.names) or len(set(self.texts)) < len(self.texts):
            raise ValueError("condition: two classes have the same name or text")
        if any(not text.strip() for text in self.texts):
            raise ValueError("condition.texts: a sentence is empty")
        for key, wanted in (("ratio", self.ratio), ("infer", [] if self.infer is None else [self.infer])):
            if unknown := [name for name in wanted if name not in self.names]:
                raise ValueError(f"condition.{key}: no class {unknown[0]!r}; there are {', '.join(self.names)}")
        if self.names[-1] in self.ratio:
            raise ValueError(f"condition.ratio: {self.names[-1]} is the best class, which the others are counted by")
        return self

    def class_of(self, value: float) -> str:
        """The class of an outcome."""
        return self.names[bisect_right(self.cuts, value)]

    def told(self, name: str | None = None) -> str:
        """The sentence of a class; by default of ``infer``. Raises ValueError when there is none."""
        name = self.infer if name is None else name
        if name is None:
            raise ValueError("condition.infer: name the class under whose sentence the team plays, such as correct")
        return self.texts[self.names.index(name)]


def shares(data: Mapping[str, SourceConfig], mix: MixConfig, iteration: int) -> dict[str, Fraction]:
    """The weights of the sources of an iteration, exactly as written; those of weight 0 are left out."""
    active = {
        name: Fraction(str(source.weight))
        for name, source in data.items()
        if source.iterations is None or iteration in source.iterations
    }
    kinds = {kind: sum(w for name, w in active.items() if data[name].general is kind) for kind in (False, True)}
    if mix.eta is not None and kinds[True] and kinds[False]:
        eta = Fraction(str(mix.eta))
        scale = {False: eta / kinds[False], True: (1 - eta) / kinds[True]}
        active = {name: weight * scale[data[name].general] for name, weight in active.items()}
    return {name: weight for name, weight in active.items() if weight}
