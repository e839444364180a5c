"""Write a reward term and see how it ranks the dialogues of one question.

Needs the core alone; takes a second. In a run: `reward.weights={task: 1.0, no-echo: 0.5}` and `plugins: [your_module]`.
"""

import argparse
import random

from optima_agents import Act, rollout
from optima_envs import Episode, Reward, View, draw, term


@term("no-echo")
def no_echo(episode: Episode) -> float:
    """Minus the share of an episode's words that had been said before, in [-1, 0]: more is better."""
    words = [word for turn in episode.spoken for word in turn.text.casefold().split()]
    return (len(set(words)) - len(words)) / max(1, len(words))


@term("quickest")
def quickest(group: list[Episode]) -> list[float]:
    """1 for the dialogues with the fewest turns. An argument named `group` is all dialogues of one question."""
    fewest = min(len(episode.spoken) for episode in group)
    return [float(len(episode.spoken) == fewest) for episode in group]


class Talker:
    """Says one, two or all of its facts, as the seed will have it, sometimes the same one again."""

    async def act(self, view: View, *, seed: int) -> Act:
        rng = random.Random(seed)
        facts = view.private.splitlines()
        if view.turn >= 2 and rng.random() < 0.5:
            return Act("<A> olive </A>")
        return Act(" ".join(rng.choices(facts, k=rng.choice((1, 2, len(facts))))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=6, help="dialogues on the one question")
    args = parser.parse_args()

    group = list(rollout("twohop-asym", Talker(), episodes=1, samples=args.samples))
    # weights are positive, a term carries its own sign; "task" and "tokens" are the paper's
    reward = Reward({"task": 1.0, "tokens": 0.6, "no-echo": 0.5, "quickest": 0.1})
    ranked = sorted(zip(reward.now(group), group, strict=True), key=lambda pair: -pair[0].total)
    for row, episode in ranked:
        told = ", ".join(f"{name} {value:.2f}" for name, value in row.terms.items())
        print(f"{row.total:6.3f} = {told}  ({len(episode.spoken)} turns)")
    best = ranked[0][1]
    print(draw(best.instance, best.turns, best.outcome))


if __name__ == "__main__":
    main()
