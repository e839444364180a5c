"""The arithmetic world: small word problems for a solver that errs and a critic that can catch it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..records import Instance
from ..spec import DEBATE, EnvSpec, Sheet
from .names import PEOPLE

SPEC = EnvSpec(
    "optima/arith-debate-v0",
    "optima_envs.tasks.arith:Arith",
    DEBATE,
    "number",
    sheet=Sheet(
        "Small word problems for a solver that errs and a critic that can catch it.",
        notes=(
            "an instance is a start amount and some gains and losses; every amount on the way lies in 0 to limit",
            "train, validation and test are disjoint by construction (the sum of all numbers modulo 10 decides)",
        ),
    ),
)
SPLITS = ("train", "validation", "test")
GAINS = ("finds", "buys", "wins", "borrows")
LOSSES = ("loses", "sells", "eats", "breaks")
THINGS = tuple("apples coins marbles stamps shells buttons cards pears plums beads pencils stones".split())


class Arith:
    """A sequence of word problems; item ``i`` depends on (seed, split, i) alone.

    ``split``: train, validation or test. ``seed``: another one gives other instances. ``steps``: gains and losses
    after the start amount (>= 1, default 2). ``limit``: largest amount (>= 10, default 20). ``size``: how many
    instances there are. Raises ValueError for an unknown split or numbers out of range.
    """

    name = "arith"

    def __init__(
        self,
        split: str = "test",
        *,
        seed: int = 0,
        steps: int = 2,
        limit: int = 20,
        agents: Sequence[str] = ("Alice", "Bob"),
        size: int = 1_000_000,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"arith has no split {split!r}; choose from {', '.join(SPLITS)}")
        if steps < 1 or limit < 10:
            raise ValueError("arith needs steps >= 1 and limit >= 10")
        self.split, self.seed, self.steps, self.limit, self.size = split, seed, steps, limit, size
        self.agents = tuple(agents)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Instance:
        if not 0 <= index < self.size:
            raise IndexError(f"arith {self.split} has instances 0 to {self.size - 1}, not {index}")
        rng = random.Random(f"arith/{self.seed}/{self.split}/{self.steps}/{self.limit}/{index}")
        while True:  # about one draw in ten lands in a small split
            start, changes = self._draw(rng)
            if _split_of(start, changes) == self.split:
                break
        name, thing = rng.choice(PEOPLE), rng.choice(THINGS)
        story = [f"{name} has {start} {thing}."]
        story += [f"{name} {rng.choice(GAINS if change > 0 else LOSSES)} {abs(change)}." for change in changes]
        return Instance(
            id=f"arith-{self.split}-{self.seed}-{self.steps}-{self.limit}-{index}",
            question=" ".join([*story, f"How many {thing} does {name} have?"]),
            answers=(str(start + sum(changes)),),
            meta={"start": start, "changes": changes},
        )

    def _draw(self, rng: random.Random) -> tuple[int, list[int]]:
        amount = start = rng.randint(2, self.limit - 2)
        changes: list[int] = []
        for _ in range(self.steps):
            gain = rng.random() < 0.5 if 0 < amount < self.limit else amount == 0
            changes.append(rng.randint(1, self.limit - amount) if gain else -rng.randint(1, amount))
            amount += changes[-1]
        return start, changes


def _split_of(start: int, changes: Sequence[int]) -> str:
    """The sum of the numbers in the text decides the split, so no problem can be in two of them."""
    slot = (start + sum(abs(change) for change in changes)) % 10
    return {0: "test", 1: "validation"}.get(slot, "train")
