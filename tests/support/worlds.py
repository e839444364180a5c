"""What the environment tests share: every environment that loads without a download, and a tiny task."""

from __future__ import annotations

from pathlib import Path

from optima_envs import METRICS, AsymmetricQA, Scenario
from optima_envs.adapters.parallel import DialogueEnv
from optima_envs.records import Instance, Turn

DATA = Path(__file__).parents[3] / "shared" / "data"
WORLDS = ("twohop-asym", "arith-debate")
TOOL_WORLDS = ("twohop-search", "arith-plan")
FILES = {
    "hotpotqa-asym": "hotpot_qa/test.parquet",
    "2wmh-asym": "2wikimultihopqa/test.parquet",
    "hotpotqa-solo": "hotpot_qa/test.parquet",
    "2wmh-solo": "2wikimultihopqa/test.parquet",
    "triviaqa-asym": "trivia_qa/test.parquet",
    "cbt-asym": "cbt/test.parquet",
    "gsm8k-debate": "gsm8k/test.jsonl",
    "math-debate": "math/test.parquet",
    "arc-debate": "arc_challenge/test.parquet",
    "mmlu-debate": "mmlu/test.parquet",
}
TOOL_FILES = {
    "dbbench-sql": "agent_tuning/agentbench/dbbench_standard.jsonl",
    "dbbench-sql-checked": "agent_tuning/agentbench/dbbench_standard.jsonl",
    "hotpotqa-search": "hotpot_qa/test.parquet",
    "gsm8k-calc": "gsm8k/test.jsonl",
    "gsm8k-plan": "gsm8k/test.jsonl",
}


class Tiny:
    """Three questions, each agent with one private word."""

    name = "tiny"

    def __init__(self, split: str = "test", size: int = 3, agents: tuple[str, ...] = ("Alice", "Bob")) -> None:
        self.split, self.size, self.agents = split, size, agents

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Instance:
        if not 0 <= index < self.size:
            raise IndexError(index)
        private = {agent: f"word-{agent}-{index}" for agent in self.agents}
        return Instance(f"tiny-{index}", f"question {index}?", (f"answer {index}",), private)


def turns(*said: tuple[str, str], tokens: int = 1) -> tuple[Turn, ...]:
    return tuple(Turn(agent, text, tokens) for agent, text in said)


def tiny(task: Tiny | None = None, **kwargs) -> DialogueEnv:
    """An environment over ``Tiny``; settings of the rules among its own."""
    rules = {key: kwargs.pop(key) for key in ("max_turns", "token_budget", "order", "agents") if key in kwargs}
    return DialogueEnv(Scenario("tests/tiny-v0", AsymmetricQA(**rules), task or Tiny(), METRICS["f1"]), **kwargs)
