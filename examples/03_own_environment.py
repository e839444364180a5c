"""Write an environment, check it, and train a team on it.

Needs the extra `train`; takes about a minute. `optima init DIR` writes the same as a package with a test and a recipe.
"""

import argparse
import random
from pathlib import Path

from optima_envs import EnvSpec, Instance, Sheet, check_env, register
from optima_train import train

PEOPLE = ("Noque", "Visha", "Tabel", "Rukan", "Miton", "Saque")
FAMILIES = ("Gorley", "Brenby", "Lindworth", "Caldwick", "Caldford", "Lindden")
COLOURS = ("olive", "plum", "jade", "emerald", "cobalt", "beige")


class Relatives:
    """Alice knows who is whose cousin, Bob knows the colour of each cousin."""

    name = "relatives"

    def __init__(self, split: str = "test", agents: tuple[str, ...] = ("Alice", "Bob")) -> None:
        self.split, self.agents = split, agents

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> Instance:
        rng = random.Random(f"{self.split} {index}")  # the same instance whenever it is asked for
        cousins = dict(zip(rng.sample(PEOPLE, 3), rng.sample(FAMILIES, 3), strict=True))
        colours = dict(zip(cousins.values(), rng.sample(COLOURS, 3), strict=True))
        asked, (alice, bob) = next(iter(cousins)), self.agents
        question, answer = f"What is the colour of the cousin of {asked}?", colours[cousins[asked]]
        hers = "\n".join(f"The cousin of {one} is {other}." for one, other in sorted(cousins.items()))
        his = "\n".join(f"The colour of {one} is {colour}." for one, colour in sorted(colours.items()))
        return Instance(f"relatives-{self.split}-{index}", question, (answer,), private={alice: hers, bob: his})


register(EnvSpec("mine/relatives-v0", Relatives, metric="f1", sheet=Sheet("Who wears what.")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=32, help="questions to train on")
    parser.add_argument("--out", default="runs/examples/relatives")
    args = parser.parse_args()

    print("passed", ", ".join(check_env("mine/relatives")))

    # the processes of a run import its plugins: here this very file
    own = {"plugins": [Path(__file__).stem], "plugin_folders": [str(Path(__file__).parent)]}
    settings = {"name": "relatives", "env.id": "mine/relatives", "iterations": 1, "evaluate.nll": False}
    sizes = {"generate.instances": args.instances, "evaluate.instances": 2 * args.instances}
    for row in train("quickstart", args.out, **own, **settings, **sizes).results:
        print(f"{row['label']}: F1 {row['score']:.3f} at {row['tokens']:.1f} tokens per dialogue")


if __name__ == "__main__":
    main()
