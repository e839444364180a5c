"""A model with the embedded one's tokenizer and random weights: real code paths, no skill, seconds to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from random_llama import save_random_llama

pytest.importorskip("torch")


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from optima_train.pretrain import world_texts
    from optima_train.tiny_tokenizer import build_tokenizer

    tokenizer = build_tokenizer(world_texts(0, 40))
    folder = tmp_path_factory.mktemp("model")
    return save_random_llama(
        folder, tokenizer, num_attention_heads=2, max_position_embeddings=1024, tie_word_embeddings=True
    )


@pytest.fixture
def small(random_model: Path) -> list[str]:
    return settings(random_model)


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
