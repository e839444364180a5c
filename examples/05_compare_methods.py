"""Compare methods on the same questions: two that are there, and one of your own.

Needs the extra `hf`; takes about a minute. `optima list baselines` names what there is; `optima bench small` compares
them all, and trained teams too.
"""

import argparse
from collections import Counter

from benchmarks import Session, baseline, bench


@baseline("vote-of-three", temperature=0.7)
async def vote_of_three(session: Session) -> str | None:
    """One agent answers three times; what it says most often counts."""
    agent, warm = session.agents[0], session.options["temperature"]
    # every call goes through the session, which counts tokens, calls and seconds as for all others
    asked = [session.ask(agent, session.prompt(), temperature=warm) for _ in range(3)]
    answers = [session.answer_in(reply) for reply in await session.together(asked)]
    return Counter(answer for answer in answers if answer).most_common(1)[0][0] if any(answers) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=40, help="questions")
    parser.add_argument("--out", default="runs/examples/compare")
    args = parser.parse_args()

    suite = {
        "name": "compare",
        "envs": [{"id": "arith-debate"}],
        "models": [{"label": "tiny", "backend": "hf:tiny"}],
        "methods": ["dialogue", "cot", "vote-of-three"],
        "reference": "dialogue",
        "instances": args.instances,
        "sampling": {"temperature": 0.0, "max_tokens": 128},
    }
    summary = bench(suite, args.out)  # the same call again goes on where it stopped
    for row in summary["rows"]:
        low, high = row["score_ci"]
        print(f"{row['label']:<16} score {row['score']:.2f} [{low:.2f}, {high:.2f}], {row['tokens']:.0f} tokens")
    for test in summary["paired"]:  # question by question, beside the reference
        print(f"{test['b']} - {test['a']}: {test['diff']:+.2f}, p {test['p_holm']:.3f} after Holm")
    print(f"{args.out}/report.html")


if __name__ == "__main__":
    main()
