"""Imitate dialogues that lie in a file: here an expert's, written by a rollout.

Needs the extra `train`; takes about a minute. Other people's files are read alike: `read` names their layout
(`optima list readers`), and `optima data read LAYOUT FILE` shows what is in them.
"""

import argparse
from pathlib import Path

from optima_agents import Act, EpisodeLog, rollout
from optima_envs import View
from optima_train import train


class Expert:
    """Tells its partner the fact that the question begins with; who can, answers."""

    async def act(self, view: View, *, seed: int) -> Act:
        *_, last, _, first = view.question.rstrip("?").split()  # What is the colour of the cousin of Noque?
        asked = view.question.split()[3]
        heard = "\n".join(said.text for said in view.dialogue)
        middle = find(f"The {last} of {first} is", f"{view.private}\n{heard}")
        answer = middle and find(f"The {asked} of {middle} is", f"{view.private}\n{heard}")
        if "<A>" in heard:
            return Act(heard[heard.index("<A>") :])
        return Act(f"<A> {answer} </A>" if answer else f"The {last} of {first} is {middle}." if middle else "Tell me.")


def find(start: str, text: str) -> str:
    """What follows ``start`` in the facts, up to the full stop."""
    return text.partition(f"{start} ")[2].partition(".")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=200, help="dialogues to imitate")
    parser.add_argument("--out", default="runs/examples/imitate")
    args = parser.parse_args()

    file = Path(f"{args.out}.jsonl")
    with EpisodeLog(file) as log:  # a log that is there already is gone on with
        shown = rollout("twohop-asym", Expert(), split="train", episodes=args.instances, log=log)
        print(file, "holds", len(shown), "dialogues; the first:", [turn.text for turn in shown[0].turns])

    source = {"read": "optima", "files": [str(file)], "steps": ["dedupe", {"keep": {"min_score": 1.0}}]}
    settings = {"name": "imitate", "method": "imitate", "data": {"expert": source}, "iterations": 1}
    sizes = {"evaluate.instances": min(60, args.instances), "evaluate.nll": False}
    for row in train("quickstart", args.out, **settings, **sizes).results:
        print(f"{row['label']}: F1 {row['score']:.3f} at {row['tokens']:.1f} tokens per dialogue")


if __name__ == "__main__":
    main()
