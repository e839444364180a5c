"""The public surface: what may be imported from the package tops. Everything else may move freely."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PUBLIC = {
    "optima_envs": """
        make make_aec scenario settings spec list_envs mirror DialogueEnv DialogueAEC SingleSeat
        OrderEnforcing TokenBudget RewardTerms EpisodeRecord Keyword UnknownName DataError Instance View Said
        Turn Turns Usage Outcome Episode EpisodeKey ErrorInfo MAX_UTTERANCE draw printable register check_env
        NonConformanceError EnvSpec Sheet Scenario Task Dataset Source RowError Rules RoundRobin AsymmetricQA
        SolverCritic Wrapper METRICS Metric Measure TERMS Term term Reward Breakdown COUNTERS Registry ENVIRONMENT
        ToolUse PlanGround World WORLDS Tool Call Done parse_action faults""",
    "optima_agents": """
        make_policy make_team make_backend close_team drive rollout arollout Rollouts Job EpisodeLog Policy Act
        LLMPolicy TeamSpec POLICIES BACKENDS Backend CachedBackend Request Completion Sampling evaluate Results
        Episodes summarise Summary""",
    "optima_agents.backends": """
        Backend Request Sampling Message Completion Likelihood Tokens BackendError ContextOverflow EngineDead""",
    "optima_train": """
        train load Experiment TrainConfig ConfigError LoopState Progress compare Comparison METHODS Stage StageContext
        StageResult StageError Step ModelRef Generate Rank Select BuildRows Sft Grow Pairs Dpo Evaluate""",
    "optima_train.bridges": "Seat CallersTokens SeatRow seat_rows trl_environment trl_rows",
    "optima_train.trajectories": """
        read write write_file READERS WRITERS make_steps run_steps STEPS episode Transcript Dropped BadRow
        to_dataset to_pandas Mixture""",
    "optima_train.config": "TrainConfig ConfigError load check dump find flatten merge nested read assignment",
    "benchmarks": "baseline Baseline Session bench",
}
# adapters to packages that resolve beside neither us nor each other: make test-bridges tests them
BESIDE = {f"optima_train.bridges.{name}" for name in ("verifiers_env", "openenv_seat", "verl_loop", "skyrl_generator")}
IMPORT = re.compile(
    r"^\s*(?:from ((?:optima_|benchmarks)[\w.]*) import|import ((?:optima_|benchmarks)[\w.]*))", re.MULTILINE
)
GUIDES = [
    "README.md", "CONTRIBUTING.md", "tests/test_extensions.py",
    *(str(path) for kind in ("docs/**/*.md", "examples/*.*") for path in sorted(ROOT.glob(kind))),
]  # fmt: skip


@pytest.mark.parametrize("package", PUBLIC)
def test_the_surface_is_what_it_says(package: str):
    """A name that comes or goes is a decision: it changes this list and the changelog."""
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(PUBLIC[package].split())
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", PUBLIC)
def test_an_unknown_name_is_an_attribute_error(package: str):
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module(package).no_such_name  # noqa: B018 - the access is the test


@pytest.mark.parametrize("guide", GUIDES)
def test_guides_import_from_the_surface_alone(guide: str):
    text = (ROOT / guide).read_text(encoding="utf-8")
    used = {first or second for first, second in IMPORT.findall(text)}
    assert used <= {*PUBLIC, *BESIDE, "optima_train.cli.main"}, f"{guide} imports {sorted(used - set(PUBLIC))}"
