"""Chat templates as transformers renders them, without a clock, and bounded whatever they try."""

from __future__ import annotations

import datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("transformers")
from transformers.utils import chat_template_utils

from optima_agents.backends.chat.sandbox import TODAY, ChatTemplate

FOLDERS = {"trl": "chat_templates", "vllm": "transformers_utils/chat_templates"}
SPECS = {name: find_spec(name) for name in FOLDERS}
REAL = sorted(
    path
    for name, spec in SPECS.items()
    if spec is not None and spec.submodule_search_locations
    for path in (Path(spec.submodule_search_locations[0]) / FOLDERS[name]).glob("*.jinja")
)
TALK = [
    {"role": "system", "content": "You are Alice. Be {{ 7 }} brief."},
    {"role": "user", "content": 'Facts:\nA & "b" <c>.\nQuestion: who?'},
    {"role": "assistant", "content": "I think é."},
    {"role": "user", "content": "Bob: sure?\n indeed"},
]


class Stopped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


def rendered(template: str, messages=TALK, **given) -> str:
    return ChatTemplate(template, {}).render(messages, add_generation_prompt=True, **given)


@pytest.mark.skipif(not REAL, reason="neither trl nor vllm is installed, whose chat templates are read")
@pytest.mark.parametrize("path", REAL, ids=[path.stem for path in REAL])
def test_real_templates_are_rendered_as_transformers_renders_them(path, monkeypatch):
    monkeypatch.setattr(chat_template_utils, "datetime", Stopped)
    source, fixed = path.read_text(), {"bos_token": "<s>", "eos_token": "</s>"}
    for messages in (TALK, TALK[1:], TALK[:2]):
        for thinking in (True, False):
            given = {"add_generation_prompt": True, "enable_thinking": thinking}
            compiled = chat_template_utils._compile_jinja_template(source)
            try:
                usual = compiled.render(messages=messages, tools=None, documents=None, **fixed, **given)
            except Exception:
                usual = None
            try:
                ours = ChatTemplate(source, fixed).render(messages, **given)
            except ValueError:
                ours = None
            assert ours == usual


def test_there_is_one_date_for_every_run(monkeypatch):
    template = "{{ strftime_now('%d %b %Y') }} {% for m in messages %}{{ m['content'] }}{% endfor %}"
    first = rendered(template)
    monkeypatch.setattr("optima_agents.backends.chat.sandbox.datetime", Stopped)
    assert rendered(template) == first
    assert first.startswith(TODAY.strftime("%d %b %Y"))


ENDLESS = {
    "nested loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}"
    "{% endfor %}{% endfor %}",
    "loops over the messages of a long talk": "{% for a in range(99999) %}{% for b in messages %}{{ b.content }}"
    "{% endfor %}{% endfor %}",
    "a text many times": "{{ 'a' * 10**9 }}",
    "a list many times": "{{ ([1] * 10**9)|length }}",
    "a large number": "{{ 10**100000 }}",
    "squares": "{% set n=namespace(x=7) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "a wide filter": "{{ 'a'|center(1000000000) }}",
    "a wide method": "{{ 'a'.ljust(1000000000) }}",
    "a wide format": "{{ '{:1000000000}'.format(1) }}",
    "a wide old format": "{{ '%*d' % (1000000000, 1) }}",
    "doubling": "{% set x='aaaaaaaaaa' %}" + "{% set x = x ~ x %}" * 40 + "{{ x|length }}",
    "doubling by plus": "{% set x='aaaaaaaaaa' %}" + "{% set x = x + x %}" * 40 + "{{ x|length }}",
    "doubling blocks": "{% set x %}aaaaaaaaaa{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40,
    "lists of lists": "{% set x=['a'] %}" + "{% set x = [x, x] %}" * 40 + "{{ x }}",
    "mappings of mappings": "{% set x=['a'] %}" + "{% set x = dict(a=x, b=x) %}" * 40 + "{{ x|tojson }}",
    "comparing lists of lists": "{% set x=['a'] %}{% set y=['a'] %}"
    + "{% set x=[x,x] %}{% set y=[y,y] %}" * 40
    + "{{ x == y }}",
    "replacing by more": "{% set x='a'*9999 %}{{ x|replace('a', x)|replace('a', x)|length }}",
    "joining": "{% set x='a'*9999 %}{{ x.join(x)|length }}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "macros without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "callers": "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}" + "{% call f() %}" * 18 + "x"
    "{% endcall %}" * 18,
    "recursive loops": "{% for x in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
    "searching": "{% set x='ab'*99999 %}{% for i in range(99999) %}{% if 'zz' in x %}{% endif %}{% endfor %}",
    "searching by a filter": "{{ range(99999)|map('string')|select('in', 'ab'*99999)|list|length }}",
    "slicing": "{% set x='a'*999999 %}{% for i in range(99999) %}{% set y=x[1:] %}{% endfor %}",
    "sorting": "{% for i in range(9999) %}{% set x = range(9999)|sort %}{% endfor %}",
    "the template's own text": "{% for i in range(99999) %}" + "x" * 99999 + "{% endfor %}",
    "refilling the budget": "{% for a in range(9999) %}{{ 'a' * -999999 }}{% for b in range(9999) %}{% endfor %}"
    "{% endfor %}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_would_never_end_or_fill_the_memory_is_refused(name):
    with pytest.raises(ValueError, match="the chat template"):
        rendered(ENDLESS[name])


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ tools | length }}", "TypeError"),
        ("{{ messages[9]['content'] + 1 }}", "UndefinedError"),
        ("{% if %}", "TemplateSyntaxError"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "RecursionError"),
        ("{{ 'a'|nosuch }}", "nosuch"),
        ("{{ 'a'.translate({97: 'b'}) }}", "translate"),
        ("{% include 'x' %}", "loader"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|undefined"),
        ("{{ raise_exception('roles\n must alternate') }}", "roles must alternate"),
        ("x" * 1_000_001, "1000001 characters"),
    ],
)
def test_whatever_a_template_raises_is_a_value_error_in_one_line(template, told):
    with pytest.raises(ValueError, match=told) as caught:
        rendered(template)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_long_talk_of_long_turns_is_no_bomb():
    template = "{% for m in messages %}{{ '<' + m['role'] + '>' + (m['content']|trim) + '</>' }}{% endfor %}"
    talk = [{"role": ("user", "assistant")[at % 2], "content": "word " * 12_000} for at in range(100)]
    assert len(rendered(template, talk)) > 100 * 59_000
