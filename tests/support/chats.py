"""Chat template families as models carry them, tokenizers for them, and hostile texts."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

WORDS = "Alice Bob said that the question was about a river in France and the answer is 7, maybe 12. I agree! Yes, no. "

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ '<|begin_of_text|>' }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
    " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL = (
    "{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set s = '' %}{% set rest = messages %}{% endif %}{{ '<s>' }}"
    "{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}{% if m['role'] == 'user' %}"
    "{{ '[INST] ' + (s if loop.first else '') + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + '</s>' }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ '<bos>' }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' + m['content'] | trim"
    " + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
INTERNLM2 = (
    "{{ '<s>' }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ACTIONS = ["<|action_start|>", "<|action_end|>", "<|interpreter|>", "<|plugin|>"]
# its protocol: the header of what comes back from a plugin names it
PLUGIN = (
    "{{ '<s>' }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + (' name=<|plugin|>' if m['role'] =="
    " 'environment' else '') + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
THINKING = (  # strips the thinking of earlier turns, so a prompt does not start with the one before
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'].split('</think>')[-1] }}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' }}{% endif %}"
)
FAMILIES = {
    "chatml": (CHATML, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_end|>"),
    "llama3": (
        LLAMA3,
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "<|eot_id|>",
    ),
    "mistral": (MISTRAL, ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"], "</s>"),
    "gemma": (GEMMA, ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"], "<end_of_turn>"),
    "internlm2": (
        INTERNLM2,
        ["<s>", "</s>", "<|im_start|>", "<|im_end|>", *ACTIONS],
        "</s>",
    ),
    "thinking": (THINKING, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_end|>"),
}


def make_tokenizer(family: str):
    """A byte-level BPE tokenizer with the control tokens and the chat template of ``family``."""
    template, specials, eos = FAMILIES[family]
    return tokenizer_for(template, specials, eos)


def tokenizer_for(template: str, specials: list[str], eos: str | None = None, plain: tuple[str, ...] = ()):
    """The same with a template of its own; ``plain`` tokens are added without being marked special."""
    pytest.importorskip("transformers", reason="needs the extra hf")
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator([WORDS] * 4, trainer)
    raw.add_tokens([AddedToken(name, normalized=False, special=False) for name in plain])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token=eos, pad_token=next(iter(specials), None), clean_up_tokenization_spaces=False
    )
    fast.chat_template = template
    return fast


CONTROL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<unk>", "[INST]", "[/INST]", "<bos>", "<eos>"]
CONTROL += ["<start_of_turn>", "<end_of_turn>", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>"]
CONTROL += ["<|end_header_id|>", "<|end_of_text|>", *ACTIONS]
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [*CONTROL, "<|im_", "end|>", "\n", " ", "{{ 7*7 }}", "</think>", "[INST", "assistant\n", "\ue000"]
        ),
        st.text(max_size=12),
    ),
    max_size=6,
).map("".join)
