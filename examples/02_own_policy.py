"""Write a policy: anything with an `act` method can take a seat.

Needs the core alone; takes a few seconds. This one reads facts, follows the question through them and says what its
partner lacks. It is scored on the same questions as a policy that says random words.
"""

import argparse
import re

from optima_agents import Act, evaluate, make_policy
from optima_envs import View, draw

FACT = re.compile(r"The (\w+) of (\w+) is (\w+)\.")
RELATION = re.compile(r"the (\w+) of")


class Reader:
    """Answers questions such as "What is the colour of the cousin of Noque?"."""

    async def act(self, view: View, *, seed: int) -> Act:
        """A view is all that an agent may know; the same view and seed must give the same act."""
        if view.dialogue and "<A>" in view.dialogue[-1].text:
            return Act(view.dialogue[-1].text)  # when two agents have stated the same answer, the dialogue is over
        heard = "\n".join(said.text for said in view.dialogue)
        known = {(relation, name): value for relation, name, value in FACT.findall(f"{view.private}\n{heard}")}
        name, found = view.question.rstrip("?").split()[-1], ""
        for relation in reversed(RELATION.findall(view.question)):
            if (relation, name) not in known:
                return Act(found or f"I do not know the {relation} of {name}.")
            value = known[relation, name]
            found, name = f"The {relation} of {name} is {value}.", value
        return Act(f"<A> {name} </A>")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=200, help="questions")
    args = parser.parse_args()

    # one policy may sit in every seat; {"Alice": ..., "Bob": ...} gives each agent its own
    read = evaluate("twohop-asym", Reader(), episodes=args.instances)
    guess = evaluate("twohop-asym", make_policy("random"), episodes=args.instances)
    print("reader", read)
    print("random", guess)

    first = read.episodes[0]
    print(draw(first.instance, first.turns, first.outcome))


if __name__ == "__main__":
    main()
