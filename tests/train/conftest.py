"""A model with the embedded one's tokenizer and random weights: real code paths, no skill, seconds to run."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from optima_train.pretrain import world_texts
    from optima_train.tiny_tokenizer import build_tokenizer

    tokenizer = build_tokenizer(world_texts(0, 40))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    folder = tmp_path_factory.mktemp("model")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


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
