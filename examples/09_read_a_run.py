"""Read what a training run left behind, with pandas.

Needs the extra `data`, and a run: `optima quickstart`, or the one that another example made. Takes a second. The files
are plain JSON; docs/run_directory.md lists them.
"""

import argparse
from pathlib import Path

import pandas as pd

from optima_agents import EpisodeLog
from optima_train.trajectories import to_pandas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", default=Path("runs/quickstart"), help="run directory")
    run = parser.parse_args().run

    results = pd.read_json(run / "results.json")  # a row for each evaluated model
    print(results[["label", "n", "score", "tokens", "turns"]].to_string(index=False))

    # one row an episode: before training and after it, question by question
    last = max(run.glob("it*/evaluate/episodes.jsonl"))
    before, after = (to_pandas(EpisodeLog.iterate(log)) for log in (run / "untrained/evaluate/episodes.jsonl", last))
    both = before.merge(after, on="id", suffixes=("_before", "_after"))
    both["saved"] = both.tokens_before - both.tokens_after
    learned = both[both.correct_after & ~both.correct_before]
    print(f"{len(learned)} of {len(both)} questions were learned; tokens saved:")
    print(both.saved.describe().round(1).to_string())

    # what a dialogue's reward is made of: one column a term, one row an iteration
    logs = sorted(run.glob("it*/rank/rewards.jsonl"))
    ranked = pd.concat([pd.read_json(log, lines=True).assign(iteration=log.parts[-3]) for log in logs])
    terms = pd.DataFrame(list(ranked["terms"]), index=pd.Index(ranked["iteration"]))
    means = pd.DataFrame(terms.groupby(level="iteration").mean())
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
