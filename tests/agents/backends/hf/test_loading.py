"""What is refused when a model is loaded: random models of many architectures, and folders that want to run code."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.chats import CHATML, make_tokenizer, tokenizer_for
from support.random_llama import save_random_llama

from optima_agents import Request, Sampling, make_backend
from optima_agents.backends.base import BackendError
from optima_agents.backends.chat.model_files import check_adapter, check_weights, load_config, load_tokenizer, window
from optima_agents.backends.hf import loading
from optima_agents.backends.hf.backend import TransformersBackend
from optima_agents.backends.hf.loading import load_causal
from optima_train.run.stage import ModelRef
from optima_train.training import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SOFT_CAPPED = {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 64, "attn_logit_softcapping": 5.0}
ASKED = [tuple(range(10, 20 + n)) for n in range(3)]


def save(folder: Path, kind: str, **settings: Any) -> str:
    """A random model of an architecture, sharp enough that attention matters, with the ChatML tokenizer."""
    tokenizer = make_tokenizer("chatml")
    config = transformers.AutoConfig.for_model(kind, **{**SMALL, "vocab_size": len(tokenizer), **settings})
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def eager_logprobs(folder: str, ids: tuple[int, ...]) -> Any:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)


def complete(backend, requests):
    async def run():
        done = await asyncio.gather(*map(backend.complete, requests))
        await backend.aclose()
        return done

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gemma2", SOFT_CAPPED),
        ("gemma2", {**SOFT_CAPPED, "final_logit_softcapping": None}),
        ("vaultgemma", {"head_dim": 8, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 5.0}),
        ("gemma3_text", {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 64}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 48, "max_window_layers": 0}),
        ("mistral", {"sliding_window": 64}),
        ("falcon", {"alibi": False}),
    ],
)
def test_log_probabilities_are_those_of_the_eager_model(tmp_path, kind, settings):
    folder = save(tmp_path, kind, **settings)
    backend = TransformersBackend(folder, device="cpu")
    assert backend.window <= settings.get("sliding_window", 128)
    given = asyncio.run(backend.logprobs(ASKED[0], ASKED[1]))
    ids = ASKED[0] + ASKED[1]
    plain = eager_logprobs(folder, ids)
    wanted = [float(plain[at - 1, ids[at]]) for at in range(len(ASKED[0]), len(ids))]
    assert given == pytest.approx(wanted, abs=1e-4)
    asked = [Request(prompt_ids=prompt, sampling=Sampling(0.0, max_tokens=6)) for prompt in ASKED]
    for prompt, done in zip(ASKED, complete(backend, asked), strict=True):
        assert done.ids
        plain = eager_logprobs(folder, prompt + done.ids)
        wanted = [float(plain[len(prompt) - 1 + at, token]) for at, token in enumerate(done.ids)]
        assert done.logprobs == pytest.approx(wanted, abs=1e-4)


def test_soft_capping_is_trained_with_too(tmp_path):
    folder = save(tmp_path, "gemma2", **SOFT_CAPPED)
    trained = checkpoints.load_model(ModelRef(folder), "fp32", None).eval()
    with torch.no_grad():
        given = trained(input_ids=torch.tensor([ASKED[0]])).logits[0].log_softmax(-1)
    assert torch.allclose(given, eager_logprobs(folder, ASKED[0]), atol=1e-4)
    plain = save(tmp_path / "plain", "llama")
    assert checkpoints.load_model(ModelRef(plain), "fp32", None).config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("falcon", {"alibi": True}),
        ("doge", {}),
        ("bert", {"is_decoder": False}),
        ("gpt_oss", {"head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1}),
        ("mamba", {}),
        ("bloom", {"n_head": 4}),
        ("llama4_text", {"head_dim": 8, "num_local_experts": 2, "intermediate_size_mlp": 64}),
    ],
)
def test_an_architecture_that_cannot_be_decoded_here_is_refused_with_the_way_out(tmp_path, kind, settings):
    with pytest.raises(ValueError, match=r"vllm backend|does not support"):
        TransformersBackend(save(tmp_path, kind, **settings), device="cpu")


def test_what_is_no_whole_causal_language_model_is_refused(tmp_path):
    torch.manual_seed(0)
    tokenizer = make_tokenizer("chatml")
    t5 = transformers.T5Config(vocab_size=len(tokenizer), d_model=32, d_ff=64, num_layers=1, num_heads=2, d_kv=16)
    transformers.T5ForConditionalGeneration(t5).save_pretrained(tmp_path / "t5")
    tokenizer.save_pretrained(tmp_path / "t5")
    headless = transformers.LlamaConfig(**{**SMALL, "vocab_size": len(tokenizer), "tie_word_embeddings": False})
    transformers.LlamaModel(headless).save_pretrained(tmp_path / "headless")
    tokenizer.save_pretrained(tmp_path / "headless")
    for name, told in (("t5", "encoder-decoder"), ("headless", "lm_head.weight")):
        with pytest.raises(ValueError, match=told):
            TransformersBackend(str(tmp_path / name), device="cpu")
        with pytest.raises(ValueError, match=told):
            checkpoints.load_model(ModelRef(str(tmp_path / name)), "fp32", None)


def test_a_tokenizer_larger_than_the_model_is_refused_and_a_padded_model_is_not(tmp_path):
    tokenizer = make_tokenizer("chatml")
    folder = save_random_llama(tmp_path, tokenizer, num_attention_heads=4)
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer_for(CHATML, specials, "<|im_end|>", ("<extra1>", "<extra2>")).save_pretrained(folder)
    with pytest.raises(ValueError, match=rf"ids up to {len(tokenizer) + 1}, the model {len(tokenizer)} embeddings"):
        TransformersBackend(str(folder), device="cpu")
    padded = save(tmp_path / "padded", "llama", vocab_size=5000)
    backend = TransformersBackend(padded, device="cpu")
    with pytest.raises(BackendError, match="from 0 to 4999"):
        asyncio.run(backend.logprobs((7,), (5000,)))
    assert complete(backend, [Request(prompt_ids=(7, 4999), sampling=Sampling(0.0, max_tokens=1))])[0].tokens == 1


def test_one_home_for_the_window(tmp_path):
    folder = save(tmp_path, "gemma2", **SOFT_CAPPED)
    assert window(load_config(folder)) == checkpoints.window(ModelRef(folder)) == 64
    assert checkpoints.window(ModelRef(save(tmp_path / "plain", "llama"))) == 128


def test_a_home_folder_is_opened(tmp_path, monkeypatch):
    save(tmp_path / "mine", "llama")
    monkeypatch.setenv("HOME", str(tmp_path))
    backend = make_backend("hf:~/mine", device="cpu")
    assert complete(backend, [Request(prompt_ids=(7,), sampling=Sampling(0.0, max_tokens=1))])[0].tokens == 1
    with pytest.raises(FileNotFoundError, match="no model folder"):
        make_backend("hf:~/nowhere")


class Pickled:
    """Leaves a mark when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.write_text, (self.mark, "opened")


def test_no_pickle_is_opened_in_a_model_or_an_adapter(tmp_path, small_model):
    mark = tmp_path / "mark"
    folder = tmp_path / "model"
    shutil.copytree(small_model, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Pickled(mark)}, folder / "pytorch_model.bin")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"]})
    )
    torch.save({"x": Pickled(mark)}, adapter / "adapter_model.bin")
    for load in (
        lambda: TransformersBackend(str(folder), device="cpu"),
        lambda: checkpoints.load_model(ModelRef(str(folder)), "fp32", None),
        lambda: TransformersBackend(str(small_model), device="cpu", adapter=adapter),
        lambda: TransformersBackend(str(small_model), device="cpu", adapters={"a": adapter}),
        lambda: check_adapter(adapter),
    ):
        with pytest.raises(ValueError, match="safetensors"):
            load()
    assert not mark.exists()


@pytest.mark.parametrize(
    "settings", [b'["LORA"]', b"{", b"\xff\xfe{}", b"[" * 100_000], ids=["list", "cut", "bytes", "deep"]
)
def test_an_adapters_settings_that_cannot_be_read_are_named(tmp_path, small_model, settings):
    (tmp_path / "adapter_model.safetensors").touch()
    (tmp_path / "adapter_config.json").write_bytes(settings)
    ways: tuple[dict[str, Any], ...] = ({"adapter": tmp_path}, {"adapters": {"a": tmp_path}})
    for given in ways:
        with pytest.raises(ValueError, match=r"adapter_config\.json cannot be read"):
            TransformersBackend(str(small_model), device="cpu", **given)


def test_an_adapters_files_are_looked_for_once(tmp_path, small_model, monkeypatch):
    from peft import LoraConfig, get_peft_model

    model = transformers.AutoModelForCausalLM.from_pretrained(small_model)
    get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"])).save_pretrained(tmp_path)
    looked: list[Any] = []
    monkeypatch.setattr(loading, "check_adapter", lambda folder: looked.append(folder) or str(folder))
    TransformersBackend(str(small_model), device="cpu", adapters={"a": tmp_path, "b": tmp_path})
    TransformersBackend(str(small_model), device="cpu", adapter=tmp_path)
    assert looked == [tmp_path] * 3


@pytest.mark.parametrize(
    "named", ["pytorch_model.bin", "../model.safetensors", "/etc/x.safetensors", "a/b.safetensors", 7]
)
def test_an_index_that_names_other_files_is_refused(tmp_path, named):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": named}}))
    with pytest.raises(ValueError, match=r"index\.json names"):
        check_weights(str(tmp_path))
    for broken in ("[]", "{", '{"weight_map": 3}', "[" * 100_000):
        index.write_text(broken)
        with pytest.raises(ValueError, match="cannot be read"):
            check_weights(str(tmp_path))


def test_no_code_of_a_checkpoint_is_run_and_no_kernel_it_names_is_fetched(tmp_path, small_model):
    mark = tmp_path / "mark"
    folder = tmp_path / "model"
    shutil.copytree(small_model, folder)
    config = json.loads((folder / "config.json").read_text())
    kernels = dict.fromkeys(("_attn_implementation", "attn_implementation"), "someone/kernel")
    (folder / "config.json").write_text(json.dumps(config | kernels))
    backend = TransformersBackend(str(folder), device="cpu")
    assert backend.model.config._attn_implementation == "optima_grouped"
    assert load_causal(str(folder), "float32").config._attn_implementation == "sdpa"
    (folder / "evil.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).write_text('run')\n")
    auto = {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M", "AutoTokenizer": [None, "evil.T"]}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": auto}))
    told = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(told | {"auto_map": auto}))
    for load in (load_tokenizer, load_config, lambda f: load_causal(f, "float32")):
        try:
            load(str(folder))
        except (ValueError, OSError):
            continue  # refused is as good as left unread
    assert not mark.exists()


def test_a_generation_config_that_cannot_be_saved_costs_no_trained_weights(tmp_path, small_model):
    folder = tmp_path / "model"
    shutil.copytree(small_model, folder)
    for wrong in ({"do_sample": False, "temperature": 0.6, "top_p": 0.9}, {"pad_token_id": -1}):
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 7], **wrong}))
        model = checkpoints.load_model(ModelRef(str(folder)), "fp32", None)
        model.save_pretrained(tmp_path / "saved")
        assert model.generation_config.eos_token_id == [2, 7]
