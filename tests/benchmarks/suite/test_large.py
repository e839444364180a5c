"""The packaged suites on a large model: the command lines that their headers give are whole."""

from __future__ import annotations

import shlex

import pytest
import yaml

from benchmarks.command import arguments, asked_suite
from benchmarks.suite.models import config_of
from benchmarks.suite.settings import CONFIGS
from optima_envs.spec import full_id
from optima_train.cli.verbs import Parser

HEADERS = {path.stem: path.read_text() for path in sorted(CONFIGS.glob("*.yaml")) if "8B" in path.read_text()}


def command(header: str) -> list[str]:
    """The words of the command in a header, without ``optima bench``."""
    lines = header[header.index("#   optima bench") :].splitlines()
    shown = [line.removeprefix("#").strip().removesuffix("\\") for line in lines if line.startswith("#")]
    return shlex.split(" ".join(shown))[2:]


def test_every_suite_says_how():
    contents = {path.stem: yaml.safe_load(path.read_text()) for path in CONFIGS.glob("*.yaml")}
    # what plays finished runs says which recipes make them
    suites = [
        name for name, content in contents.items()
        if "runs" not in content and not any("run" in model for model in content["models"])
    ]  # fmt: skip
    assert set(HEADERS) == set(suites)


@pytest.mark.parametrize("name", HEADERS)
def test_the_command_in_the_header(name: str):
    parser = Parser()
    arguments(parser)
    suite = asked_suite(parser.parse_intermixed_args(command(HEADERS[name])))
    assert suite.name == name
    assert suite.instances == 1000
    worlds = {full_id(env.id) for env in suite.envs}
    assert not [name for name in worlds if "twohop" in name or "arith" in name]
    trained = [model for model in suite.models if model.train is not None]
    assert [model.backend for model in suite.models if model.train is None] == ["vllm:Qwen/Qwen3-8B"]
    for model in trained:
        config = config_of(model)
        assert config is not None
        assert (config.backend, config.model) == ("vllm", "Qwen/Qwen3-8B")
        assert full_id(config.env.id) in worlds
        assert config.generate.instances >= 1_000  # a recipe of the paper's, not a small one
