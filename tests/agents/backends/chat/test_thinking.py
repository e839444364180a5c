"""Thinking told apart from what is said, in a model's reply and through the switch of its chat template."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chats import CHATML, tokenizer_for
from support.random_llama import save_random_llama

from optima_agents import LLMPolicy, Request, Sampling, make_backend, make_policy, make_team
from optima_agents.backends.chat.thinking import PAIRS, TAGS, apart, opened
from optima_agents.backends.fake import FakeBackend

IM = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN = CHATML.replace(
    "{{ '<|im_start|>assistant\n' }}",
    "{{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}",
)
R1 = CHATML.replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n<think>\n' }}")


@pytest.mark.parametrize(("first", "last"), PAIRS.items())
def test_every_kind_of_tag_is_known(first, last):
    assert apart(f"{first}\nhm{last}\n\nyes") == ("hm", "yes")
    assert apart(f"hm{last}yes") == ("hm", "yes")
    assert apart(f"{first}hm") == ("hm", "")
    assert opened(f"question\n{first}\n")
    assert not opened(f"question\n{first}\n{last}\n")


@pytest.mark.parametrize(
    ("text", "begun", "expected"),
    [
        ("yes", False, ("", "yes")),
        (" yes ", False, ("", " yes ")),
        ("", False, ("", "")),
        ("hm</think>yes", True, ("hm", "yes")),
        ("hm and no end", True, ("hm and no end", "")),
        ("a<think>b</think>c<think>d</think>e", False, ("bd", "ace")),
        ("<think>a<think>b</think>c</think>d", False, ("abc", "d")),
        ("a</think>b</think>c", False, ("ab", "c")),
        ("<think></think>yes", False, ("", "yes")),
    ],
)
def test_whatever_may_be_thinking_is_not_said(text, begun, expected):
    assert apart(text, begun) == expected


@given(st.lists(st.one_of(st.sampled_from(sorted(TAGS)), st.text(max_size=5))).map("".join), st.booleans())
def test_nothing_but_tags_and_blanks_at_the_edges_is_lost(text, begun):
    thought, said = apart(text, begun)
    left = text
    for tag in sorted(TAGS, key=len, reverse=True):
        left = left.replace(tag, "")
    if not any(tag in thought + said for tag in TAGS):
        assert sorted("".join((thought + said).split())) == sorted("".join(left.split()))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}
    for name, template in (("qwen", QWEN), ("r1", R1)):
        folder = tmp_path_factory.mktemp(name)
        tokenizer = tokenizer_for(template, IM, "<|im_end|>", ("<think>", "</think>"))
        made[name] = save_random_llama(folder, tokenizer, num_attention_heads=4, max_position_embeddings=512)
    return made


def once(backend, request):
    async def run():
        done = await backend.complete(request)
        await backend.aclose()
        return done

    return asyncio.run(run())


def test_the_switch_reaches_the_template_of_a_local_model(models):
    backend: Any = make_backend(f"hf:{models['qwen']}", device="cpu")
    ask = [{"role": "user", "content": "hi"}]
    tail = backend.chat.encode("\n\n")
    off, on = backend.chat.render(ask), backend.chat.render(ask, thinking=True)
    assert off != on and off[: len(on)] == on and off[-len(tail) :] == tail
    policy = LLMPolicy(backend, Sampling(0.0, max_tokens=2), thinking="keep")
    assert policy.thinking == "keep"
    request = Request(tuple(ask), sampling=Sampling(0.0, max_tokens=2), thinking=True)
    assert once(backend, request).prompt_ids == tuple(on)


def test_a_prompt_that_begins_the_thought_makes_the_reply_thinking(models):
    """Its ids and its count are all there; nothing of it is said before the thought has ended."""
    backend: Any = make_backend(f"hf:{models['r1']}", device="cpu")
    assert backend.chat.opens == {False: True, True: True}
    done = once(backend, Request(({"role": "user", "content": "hi"},), sampling=Sampling(1.0, max_tokens=8), seed=4))
    assert done.ids is not None and done.tokens == len(done.ids) == 8
    if "</think>" not in backend.chat.decode(done.ids):
        assert done.text == ""
        assert done.thinking == backend.chat.decode(done.ids).strip() != ""


def test_special_tags_of_thinking_are_read_though_other_special_tokens_are_not():
    from optima_agents.backends.chat.templates import ChatTokenizer

    chat = ChatTokenizer(tokenizer_for(CHATML, [*IM, "[THINK]", "[/THINK]"], "<|im_end|>"))
    ids = chat.tokenizer("[THINK]hm[/THINK]yes<|im_end|>", add_special_tokens=False)["input_ids"]
    assert chat.decode(ids) == "[THINK]hm[/THINK]yes"
    assert chat.apart(chat.decode(ids), False) == ("hm", "yes")


def test_the_switch_is_a_setting_of_a_policy_and_of_a_seat():
    asked = []
    backend = FakeBackend(lambda request: asked.append(request.thinking) or "hm")
    for thinking in ("off", "keep"):
        from optima_agents import rollout

        rollout("twohop-asym", LLMPolicy(backend, thinking=thinking), episodes=1, max_turns=1)
    assert asked == [False, True]
    assert cast("LLMPolicy", make_policy("fake", thinking="keep")).thinking == "keep"
    team: Any = make_team({"policy": "fake", "agents": {"Bob": {"thinking": "keep"}}}, ("Alice", "Bob"))
    assert [team[name].thinking for name in ("Alice", "Bob")] == ["off", "keep"]
    with pytest.raises(ValueError, match="off or keep"):
        LLMPolicy(backend, thinking=cast("Any", "perhaps"))
    with pytest.raises(ValueError, match="thinking"):
        make_team({"thinking": "perhaps"}, ("Alice",))
