"""Write an environment with tools: agents call, the world replies.

Needs the core alone; takes a second. The game (one actor, `finish[...]` states the answer) is there already; a world is
three functions of an instance and of what was done so far.
"""

import argparse
from collections.abc import Sequence

from optima_agents import Act, rollout
from optima_envs import ENVIRONMENT, WORLDS, Call, Done, Instance, Tool, ToolUse, View, check_env, draw, register

PRICES = {"pen": 3, "cup": 7, "lamp": 25, "chair": 40}


class Shop:
    """What things cost."""

    tools = (Tool("price", ("item",), "tells what one of an item costs"),)

    def observe(self, inst: Instance, done: Sequence[Done], call: Call) -> str:
        """The reply to a call; model text never raises, what went wrong is told as `error: ...`."""
        price = PRICES.get(call.text.strip().casefold())
        return "error: there is no such item" if price is None else f"one {call.text} costs {price}"

    def answer(self, inst: Instance, done: Sequence[Done], stated: str | None) -> str | None:
        """What the metric is given; a world with a state would give that."""
        return stated

    def solved(self, inst: Instance, answer: str | None) -> bool:
        """What an agent with further attempts is told."""
        return answer in inst.answers


class Buyer:
    """Asks for the price, then multiplies."""

    async def act(self, view: View, *, seed: int) -> Act:
        count, item = view.question.rstrip("?").split()[-2:]
        replies = [said.text for said in view.dialogue if said.agent == ENVIRONMENT]
        return Act(f"finish[{int(count) * int(replies[-1].split()[-1])}]" if replies else f"price[{item}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=4, help="questions")
    args = parser.parse_args()

    WORLDS.register("shop", Shop())
    things = [(count, item) for count in (2, 3, 5) for item in PRICES]
    asked = [Instance(f"{n}-{it}", f"What is the price of {n} {it}?", (str(n * PRICES[it]),)) for n, it in things]
    register("mine/shop-v0", task=asked, rules=ToolUse, metric="number", world="shop")
    print("passed", ", ".join(check_env("mine/shop")))

    for episode in rollout("mine/shop", Buyer(), episodes=args.instances):
        print(draw(episode.instance, episode.turns, episode.outcome), "\nscore", episode.score)


if __name__ == "__main__":
    main()
