"""What importing costs, and what must be in the package."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys

import pytest

HEAVY = "{'torch', 'transformers', 'datasets', 'sympy', 'pandas', 'trl', 'peft', 'aiohttp', 'matplotlib'}"


def loaded(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(sorted({HEAVY} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    [
        "import optima_envs",
        "import optima_envs; optima_envs.make('twohop-asym').reset(seed=0)",
        "import optima_agents",
        "import optima_train",
        "from optima_train.config.loading import load; load('quickstart')",
        "from optima_train.cli.main import main; main(['--help'])",
        "from optima_train.cli.main import main; main(['envs'])",
    ],
)
def test_no_heavy_package_is_loaded(code: str):
    assert loaded(code) == "[]"


def test_help_needs_the_standard_library_alone():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from optima_train.cli.main import main; main(['--help']); import sys; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    top = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not top & {"numpy", "pydantic", "yaml", "rich", "gymnasium", "pettingzoo", "filelock"}


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("optima_envs", "py.typed"),
        ("optima_agents", "py.typed"),
        ("optima_train", "py.typed"),
        ("optima_train", "recipes/quickstart.yaml"),
        ("optima_train", "report/page/frame.html"),
        ("optima_agents", "tiny/model.safetensors"),
        ("optima_agents", "tiny/README.md"),
    ],
)
def test_package_data_is_there(package: str, name: str):
    assert importlib.resources.files(package).joinpath(name).is_file()


@pytest.mark.parametrize("package", ["optima_envs", "optima_agents"])
def test_everything_promised_is_importable(package: str):
    module = __import__(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
