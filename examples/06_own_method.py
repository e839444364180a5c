"""Write a training method, with a stage of its own.

Needs the extra `train`; takes about a minute. A method is the list of stages of each iteration. This one is iSFT that
also counts the different words its dialogues get by with: the number stands in `metrics.jsonl` and in the report.
"""

import argparse
import json
from pathlib import Path

from optima_agents import EpisodeLog
from optima_train import METHODS, BuildRows, Evaluate, Generate, Rank, Select, Sft, StageContext, StageResult, train


class Vocabulary:
    """A stage reads what earlier stages left, writes into `ctx.out`, and returns numbers."""

    name = "vocabulary"
    kind = "inference"  # or "training": neighbours of a kind share a process
    resumes = False  # True: it goes on from what an interrupted attempt left

    def run(self, ctx: StageContext) -> StageResult:
        words: dict[str, int] = {}
        for episode in EpisodeLog.iterate(ctx.input("evaluate").episodes):
            for word in " ".join(turn.text for turn in episode.spoken).split():
                words[word] = words.get(word, 0) + 1
        (ctx.out / "words.json").write_text(json.dumps(words), encoding="utf-8")
        return StageResult({"different_words": len(words)})


@METHODS.register("isft-words")
def isft_words(config):
    """Iterative supervised fine-tuning, and a look at the words."""
    stages = (Generate(), Rank(), Select(), BuildRows(), Sft(), Evaluate(), Vocabulary())
    return lambda iteration: stages  # the same ones in every iteration


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=32, help="questions to train on")
    parser.add_argument("--out", default="runs/examples/own-method")
    args = parser.parse_args()

    # the processes of a run import its plugins: here this very file
    own = {"plugins": [Path(__file__).stem], "plugin_folders": [str(Path(__file__).parent)]}
    settings = {"name": "own-method", "method": "isft-words", "iterations": 1, "evaluate.nll": False}
    sizes = {"generate.instances": args.instances, "evaluate.instances": 2 * args.instances}
    for row in train("quickstart", args.out, **own, **settings, **sizes).results:
        print(f"{row['label']}: F1 {row['score']:.3f} at {row['tokens']:.1f} tokens per dialogue")
    for line in Path(args.out, "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        if json.loads(line)["stage"] == Vocabulary.name:
            print(line)


if __name__ == "__main__":
    main()
