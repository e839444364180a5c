"""Tokenising between control tokens gives what tokenising whole gives, for hostile text and for several tokenizers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chats import FAMILIES, HOSTILE
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from optima_agents.backends.chat import pieces
from optima_agents.backends.chat.pieces import Pieces

BITS = st.lists(st.sampled_from(["<s>", "[INST]", " ", "a", "ab a", "b", "\n", "<"])).map("".join)
KINDS = ["first", "always", "prepended", "stripping"]


def spaced(kind: str) -> PreTrainedTokenizerFast:
    """A tokenizer that marks spaces, as those of Llama 2, Mistral and Gemma do, and where it puts the first mark."""
    letters = [chr(c) for c in range(33, 127)]
    vocabulary = [("<unk>", 0.0), ("▁", -3.0), *((letter, -3.0) for letter in letters), ("▁a", -1.0), ("ab", -1.0)]
    raw = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    if kind == "prepended":
        raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if kind == "always" else "first")
    strips = kind == "stripping"
    for name in ("<s>", "</s>", "<s><s>", "<s>b", "[INST]"):
        raw.add_special_tokens([AddedToken(name, normalized=False, special=True, rstrip=strips)])
    raw.add_tokens([AddedToken("</think>", normalized=True)])
    return PreTrainedTokenizerFast(tokenizer_object=raw)


TOKENIZERS = {kind: spaced(kind) for kind in KINDS}


def check(tokenizer, text: str) -> None:
    known = Pieces(tokenizer)
    for _ in range(2):  # the second time from memory
        assert known.ids(text) == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=60, deadline=None)
@given(text=HOSTILE)
def test_families(chats, family, text):
    check(chats[family].tokenizer, text)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(text=st.one_of(HOSTILE, BITS))
def test_marked_spaces(kind, text):
    check(TOKENIZERS[kind], text)


def test_tokens_that_strip_their_neighbours_are_left_to_the_tokenizer():
    assert Pieces(TOKENIZERS["stripping"]).cuts is None
    assert Pieces(TOKENIZERS["first"]).cuts is not None


def test_a_growing_prompt_is_tokenised_at_its_end_only(monkeypatch):
    known, asked = Pieces(TOKENIZERS["first"]), []
    whole = known._whole
    monkeypatch.setattr(known, "_whole", lambda text: asked.append(text) or whole(text))
    known.ids("<s>a question[INST]an answer")
    known.ids("<s>a question[INST]an answer</s>another")
    assert asked == ["<s>a question", "[INST]an answer", "</s>another"]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(pieces, "REMEMBERED", 3)
    known = Pieces(TOKENIZERS["always"])
    for n in range(9):
        known.ids(f"<s>{n}[INST]{'a' * (pieces.LONGEST + 1)}")
    assert list(known._known) == ["6", "7", "8"]
