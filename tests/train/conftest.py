"""A model with the embedded one's tokenizer and random weights: real code paths, no skill, seconds to run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from random_llama import save_random_llama

from optima_train.config.loading import load
from optima_train.run.engines import Engines, StageContext
from optima_train.run.files import write_lines
from optima_train.run.progress import silent
from optima_train.run.stage import ModelRef, Step
from optima_train.training.dpo import Dpo

pytest.importorskip("torch")


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from optima_train.tiny.pretrain import world_texts
    from optima_train.tiny.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(world_texts(0, 40))
    folder = tmp_path_factory.mktemp("model")
    return save_random_llama(
        folder, tokenizer, num_attention_heads=2, max_position_embeddings=1024, tie_word_embeddings=True
    )


@pytest.fixture
def small(random_model: Path) -> list[str]:
    return settings(random_model)


@pytest.fixture
def dpo_context(tmp_path: Path, small: list[str], random_model: Path) -> Callable[..., StageContext]:
    """What the preference stage of an iteration is given: its pairs on the disk, in a batch of four."""

    def make(pairs: list[dict], *overrides: str, policy: ModelRef | None = None, iteration: int = 0) -> StageContext:
        batch = ["dpo.batch_size=4", "dpo.micro_batch=4", "dpo.learning_rate=1e-3"]
        config, step = load("quickstart", [*small, *batch, *overrides]), Step(iteration, Dpo())
        folder = tmp_path / step.folder / "pairs"
        folder.mkdir(parents=True, exist_ok=True)
        write_lines(folder / "pairs.jsonl", pairs)
        base = ModelRef(str(random_model))
        return StageContext(config, tmp_path, step, policy or base, base, Engines(config), silent)

    return make


def settings(random_model: Path) -> list[str]:
    """Overrides of the quickstart that make a run of seconds with a model that knows nothing."""
    return [
        f"model={random_model}",
        "iterations=1",
        "env.max_turns=3",
        "generate.instances=3",
        "generate.samples=2",
        "generate.max_tokens=8",
        "select.threshold=-5",
        "select.top_share=1",
        "evaluate.instances=4",
        "evaluate.max_tokens=8",
        "train.epochs=1",
        "train.batch_size=4",
        "train.micro_batch=4",
        "device=cpu",
    ]
