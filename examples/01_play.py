"""Play a dialogue: an environment is a PettingZoo ParallelEnv whose actions are text.

Needs the core alone; takes a second. In a terminal, `optima play twohop-asym` gives you a seat.
"""

import argparse

from optima_envs import make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="twohop-asym", help="any id that `optima envs` lists")
    parser.add_argument("--seed", type=int, default=0, help="draws the question")
    args = parser.parse_args()

    env = make(args.env, render_mode="ansi")
    observations, infos = env.reset(seed=args.seed)
    for agent, seen in observations.items():  # the question is everybody's, the private text is not
        print(f"{agent} sees: {seen['question']}\n{seen['private']}\n")

    while env.agents:
        # one agent speaks at a time here: "speaking" says whose words count, the others' are ignored
        actions = {agent: say(seen) if seen["speaking"] else None for agent, seen in observations.items()}
        observations, rewards, terminations, truncations, infos = env.step(actions)

    print(env.render())
    for agent, info in infos.items():  # the last infos hold the result
        print(agent, info["stop"], "score", info["score"], "tokens", info["tokens"])


def say(seen: dict) -> str:
    """What an agent says that tells all it knows at once, and then agrees with whatever was answered."""
    answers = [text for speaker, text in seen["dialogue"] if "<A>" in text]
    if answers:
        return answers[-1]
    return "<A> olive </A>" if len(seen["dialogue"]) > 1 else seen["private"]


if __name__ == "__main__":
    main()
