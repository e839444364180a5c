"""Extras: a missing one is named before anything starts, with the command that fits how we were installed."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest

import optima_envs
from optima_envs import extras

ROOT = Path(__file__).parents[2]


class Installed:
    """A distribution that was installed from ``url``; None: from the index."""

    def __init__(self, url: str | None, *, editable: bool = False) -> None:
        self.told = None if url is None else json.dumps({"url": url, "dir_info": {"editable": editable}})

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.told


@pytest.mark.parametrize(
    ("installed", "command"),
    [
        (Installed(None), "pip install 'optima-marl[hf]'"),
        (Installed("file:///a%20b/optima", editable=True), "pip install -e '/a b/optima[hf]'"),
        (Installed(Path.cwd().as_uri(), editable=True), "pip install -e '.[hf]'"),
        (Installed("file:///x/optima_marl.whl"), "pip install '/x/optima_marl.whl[hf]'"),
        (Installed("https://host/optima_marl.whl"), "pip install 'optima-marl[hf]'"),
    ],
)  # fmt: skip
def test_the_command_is_the_one_for_this_installation(monkeypatch, installed: Installed, command: str):
    monkeypatch.setattr(extras, "distribution", lambda name: installed)
    assert extras.install("hf") == command


def test_a_source_tree_that_is_not_installed(monkeypatch):
    def none(name: str):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "distribution", none)
    assert extras.install("data") == "pip install 'optima-marl[data]'"


def test_every_extra_is_one_of_the_project():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras.EXTRAS.keys() <= known.keys()


@pytest.fixture
def without(monkeypatch):
    """Everything is installed but what is named, also where the tests run without an extra."""

    def lose(*names: str) -> None:
        monkeypatch.setattr(extras, "find_spec", lambda name: None if name in names else json.__spec__)

    return lose


@pytest.mark.parametrize(
    ("kind", "module"), [("hf", "torch"), ("vllm", "vllm"), ("openai", "aiohttp")]
)  # fmt: skip
def test_a_backend_names_its_extra_first(without, kind: str, module: str):
    from optima_agents import make_policy

    without(module)
    with pytest.raises(
        extras.MissingExtra, match=rf"the backend {kind} needs {module}, which .*pip install .*\[{kind}\]"
    ):
        make_policy(f"{kind}:tiny")


def test_a_verb_names_its_extra_first(without):
    from optima_train.cli.main import run

    without("uvicorn")
    with pytest.raises(extras.MissingExtra, match=r"optima serve needs uvicorn, which .*pip install .*\[serve\]"):
        run(["serve", "twohop-asym"])


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("verifiers_env", "verifiers"),
        ("verifiers_chat", "verifiers"),
        ("openenv_seat", "openenv"),
        ("verl_loop", "verl"),
        ("skyrl_generator", "skyrl"),
    ],
)
def test_a_bridge_names_its_extra(module: str, extra: str):
    if extras.find_spec(extra) is not None:
        pytest.skip(f"{extra} is installed")
    with pytest.raises(
        extras.MissingExtra, match=rf"the bridge to \w+ needs {extra}, which .*pip install .*\[{extra}\]"
    ):
        importlib.import_module(f"optima_train.bridges.{module}")


def test_a_metric_names_its_extra_before_the_first_dialogue(without):
    without("math_verify")
    with pytest.raises(ImportError, match=r"arith-debate-v0 is scored by math, which needs math_verify.*\[math\]"):
        optima_envs.make("arith-debate", metric="math")
    assert optima_envs.make("twohop-asym")


@pytest.mark.parametrize(
    ("gone", "override", "told"),
    [
        ("trl", "seed=1", r"method: training needs trl.*\[train\]"),
        ("torch", "seed=1", r"backend: the backend hf needs torch.*\[hf\]"),
        ("wandb", "tracker=wandb", r"tracker: the tracker needs wandb.*\[trackers\]"),
    ],
)
def test_a_recipe_names_them_before_the_first_token(without, gone: str, override: str, told: str):
    from optima_train.config import ConfigError, load
    from optima_train.loop.preflight import preflight

    without(gone)
    with pytest.raises(ConfigError, match=told):
        preflight(load("quickstart", [override]))
