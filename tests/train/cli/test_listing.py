"""What there is to choose from, with a word on each; and the shell's completion of verbs and options."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from optima_train.cli.listing import KINDS, entries, sentence
from optima_train.cli.main import main


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("recipes", {"quickstart", "2wmh-isft", "tools-arith-tiny"}),
        ("methods", {"isft", "idpo", "isft-dpo", "grpo", "imitate"}),
        ("policies", {"human", "random", "scripted"}),
        ("backends", {"hf", "vllm", "openai", "fake"}),
        ("formats", {"arrows", "react"}),
        ("terms", {"task", "tokens", "format"}),
        ("metrics", {"em", "f1", "math", "token-f1", "choice"}),
        ("envs", {"optima/twohop-asym-v0", "optima/dbbench-sql-v0"}),
        ("readers", {"agentinstruct", "fireact", "nat", "chat", "adp"}),
        ("writers", {"ohana", "trl-preference", "table"}),
        ("steps", {"keep", "dedupe", "distil", "negatives"}),
        ("suites", {"main", "small"}),
        ("baselines", {"cot", "dylan", "macnet"}),
    ],
)
def test_every_kind_lists_its_names_with_a_word_on_each(kind: str, some: set[str]):
    # in a process of its own: other tests register names here
    code = f"from optima_train.cli.main import main; main(['list', {kind!r}, '--json']); main(['list', {kind!r}])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    rows, end = json.JSONDecoder().raw_decode(done.stdout)
    assert some <= rows.keys()
    assert not [name for name, text in rows.items() if not text]
    assert min(rows) in done.stdout[end:]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_heavy_is_imported_for_a_list(kind: str):
    code = f"import sys; from optima_train.cli.main import main; main(['list', {kind!r}]); "
    code += "print(sorted({'torch', 'transformers', 'trl', 'vllm', 'datasets'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_kinds_are_listed_and_a_wrong_one_is_answered(capsys):
    assert main(["list"]) == 0
    assert {"recipes", "suites", "terms"} <= set(capsys.readouterr().out.split())
    assert main(["list", "recepies"]) == 2
    assert "did you mean recipes" in capsys.readouterr().err


def test_sentences_survive_abbreviations():
    assert sentence("The method of Du et al. 2023 (cf. App. C), in short. More.") == (
        "The method of Du et al. 2023 (cf. App. C), in short"
    )
    assert sentence("One\nline: two parts.\n\nMore.") == "One line: two parts"


def test_what_a_plugin_registers_is_listed(monkeypatch):
    from optima_envs.rewards import TERMS, term

    monkeypatch.setattr(TERMS, "_items", dict(TERMS._items))

    @term("short-turns")
    def short_turns(episode):
        """Minus the longest turn."""
        return -1.0

    assert dict(entries(KINDS["terms"]))["short-turns"] == "Minus the longest turn"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_completes_verbs_and_options(capsys, shell: str):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    options = ("--retry-failed",) if shell != "tcsh" else ()  # whose script has a form of its own
    assert all(word in script for word in ("quickstart", "bench", *options))
    if shell == "bash" and (bash := shutil.which("bash")):
        subprocess.run([bash, "-n"], input=script, text=True, check=True)
        ask = f"{script}\nCOMP_WORDS=(optima ev); COMP_CWORD=1; _shtab_optima; echo ${{COMPREPLY[*]}}"
        done = subprocess.run([bash], input=ask, text=True, capture_output=True, check=True)
        assert done.stdout.split() == ["eval"]
