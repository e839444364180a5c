"""Special tokens in content stay text, for five template families; and what each family does to a prompt's growth."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chats import FAMILIES, HOSTILE

from optima_agents.backends.chat.templates import ChatTokenizer


def talk(*contents: str):
    roles = ["system", "user", "assistant", "user", "assistant", "user"]
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=60, deadline=None)
@given(contents=st.lists(HOSTILE, min_size=4, max_size=4))
def test_content_adds_no_control_token(chats, family, contents):
    chat = chats[family]
    clean = chat.render(talk(*["word"] * 4))
    dirty = chat.render(talk(*contents))
    assert [i for i in dirty if i in chat.control] == [i for i in clean if i in chat.control]


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "thinking"])
@settings(max_examples=40, deadline=None)
@given(content=HOSTILE)
def test_content_is_kept_word_for_word(chats, family, content):
    chat = chats[family]
    text = chat.tokenizer.decode(chat.render(talk("rules", content)), skip_special_tokens=False)
    assert content.encode("utf-8", "replace").decode().strip() in text


@settings(max_examples=100, deadline=None)
@given(content=HOSTILE)
def test_plain_encoding_has_no_control_tokens_and_loses_nothing(chats, content):
    for chat in chats.values():
        ids = chat.encode(content)
        assert chat.control.isdisjoint(ids)
        assert chat.tokenizer.decode(ids, skip_special_tokens=False) == content.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("family", FAMILIES)
def test_clean_prompts_are_tokenised_as_the_template_says(chats, family):
    chat = chats[family]
    messages = talk("Some rules.", " A question? ", "It is 7.", "Are you sure?")
    if family == "gemma":
        with pytest.raises(Exception, match="System role"):
            chat.tokenizer.apply_chat_template(messages)
        usual = [{"role": "user", "content": "Some rules.\n\n A question? "}, *messages[2:]]
    else:
        usual = messages
    assert chat.render(messages) == chat.tokenizer.apply_chat_template(
        usual, add_generation_prompt=True, return_dict=False
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_neighbours_of_one_role_are_taken_or_merged(chats, family):
    chat = chats[family]
    messages = [*talk("rules", "one"), {"role": "user", "content": "two"}]
    text = chat.tokenizer.decode(chat.render(messages))
    assert "one" in text
    assert "two" in text
    assert "rules" in text


def test_end_of_turn_and_growth_are_found_out(chats):
    ends = {name: chat.tokenizer.convert_ids_to_tokens(chat.end_of_turn) for name, chat in chats.items()}
    assert ends == {
        "chatml": "<|im_end|>",
        "llama3": "<|eot_id|>",
        "mistral": "</s>",
        "gemma": "<end_of_turn>",
        "internlm2": "<|im_end|>",
        "thinking": "<|im_end|>",
    }
    growing = {name: chat.append_only is None for name, chat in chats.items()}
    assert growing.pop("thinking") is False
    assert "next prompt" in chats["thinking"].append_only
    growing.pop("mistral")  # its template puts a space before a reply that was sampled without one
    assert all(growing.values())


def test_a_tokenizer_without_a_template_is_refused(chats):
    tokenizer = copy.deepcopy(chats["chatml"].tokenizer)
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template"):
        ChatTokenizer(tokenizer)
