"""Train a real pretrained model: SmolLM2 (135 M parameters) learns to hold the dialogue from a scripted expert.

Needs the extras `train` and `gguf`; fetches 100 MB once (`optima models get smollm2`). `optima train
smollm2-hotpotqa-imitate` does the same on HotpotQA, whose questions come from the hub, and is larger:
it takes 46 minutes on one core beside other jobs.
"""

import argparse

from optima_agents import make_policy, rollout
from optima_envs import draw
from optima_train import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2", help="or a hub id, or a folder")
    parser.add_argument("--instances", type=int, default=100, help="dialogues to imitate")
    parser.add_argument("--out", default="runs/examples/smollm2")
    args = parser.parse_args()

    state = train(
        "quickstart",
        args.out,
        name="smollm2",
        model=args.model,
        dtype="float32",
        method="imitate",
        iterations=1,
        # a team that knows the answers plays the training questions; `optima list experts` names what there is
        data={"shown": {"expert": {"styles": ["plain"], "instances": args.instances}}},
        train={"learning_rate": 1e-4, "epochs": 1, "batch_size": 8, "micro_batch": 1},
        isolation="per-kind",  # training starts when the engine that played has given its memory back
        evaluate={"instances": max(1, args.instances // 5), "nll": False},
    )
    for row in state.results:
        print(f"{row['label']}: F1 {row['score']:.3f} at {row['tokens']:.1f} tokens per dialogue")

    # the trained weights are a folder that transformers, vLLM and every verb take as they are
    (episode,) = rollout("twohop-asym", make_policy(f"hf:{args.out}/model"), episodes=1)
    print(draw(episode.instance, episode.turns, episode.outcome))


if __name__ == "__main__":
    main()
