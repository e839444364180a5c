"""Plugins beside a recipe: found by their names alone, after what is installed, and a failing one is named."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from optima_train.run.plugins import import_plugins
from optima_train.run.stage import StageError


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("plug_"):
            del sys.modules[name]


def write(folder: Path, name: str, text: str = "") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_folders_are_looked_through_in_order_and_the_current_one_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("first", "second", "here"):
        write(tmp_path / folder, "plug_a.py", f"FROM = {folder!r}")
    write(tmp_path / "second", "plug_b.py", "FROM = 'second'")
    write(tmp_path / "here", "plug_c/__init__.py")
    write(tmp_path / "here", "plug_c/inner.py", "from . import other\nFROM = 'here'")
    write(tmp_path / "here", "plug_c/other.py")
    monkeypatch.chdir(tmp_path / "here")
    path = list(sys.path)
    import_plugins(["plug_a", "plug_b", "plug_c.inner"], [tmp_path / "first", tmp_path / "second"])
    found = [sys.modules[name].FROM for name in ("plug_a", "plug_b", "plug_c.inner")]
    assert found == ["first", "second", "here"]
    assert sys.path == path


def test_what_is_installed_comes_first_and_the_rest_of_a_folder_is_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("colorsys", "plug_d", "plug_helper", "secrets_of_mine"):
        write(tmp_path, f"{name}.py", f"import pathlib; pathlib.Path({str(tmp_path / f'ran-{name}')!r}).touch()")
    write(tmp_path, "plug_d.py", "import colorsys\nassert colorsys.rgb_to_hsv")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    import_plugins(["colorsys", "plug_d"], [tmp_path])
    with pytest.raises(ModuleNotFoundError):
        __import__("secrets_of_mine")
    assert not list(tmp_path.glob("ran-*"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('no')", "SystemExit: no"),
        ("x = (", "SyntaxError"),
        ("import plug_beside", "it imports plug_beside, which lies beside it but is no plugin; name plug_beside as"),
        ("import nowhere_at_all", "it imports nowhere_at_all, which is not installed"),
    ],
)
def test_a_failing_plugin_is_named(tmp_path: Path, text: str, said: str) -> None:
    name = f"plug_bad_{zlib.crc32(text.encode())}"  # a process keeps where a plugin lies
    write(tmp_path, f"{name}.py", text)
    write(tmp_path, "plug_beside.py")
    with pytest.raises(StageError, match=f"^plugin {name} failed to import: ") as caught:
        import_plugins([name], [tmp_path])
    assert said in str(caught.value)


def test_a_missing_plugin_says_where_it_may_be(tmp_path: Path) -> None:
    for name in ("plug_nowhere", "plug_nowhere.inner"):
        with pytest.raises(StageError, match=f"plugin {name} failed to import: there is no such module; .*{tmp_path}"):
            import_plugins([name], [tmp_path])


def test_a_plugin_that_another_needs_is_named_before_it(tmp_path: Path) -> None:
    write(tmp_path, "plug_e.py", "import plug_f")
    write(tmp_path, "plug_f.py")
    import_plugins(["plug_f", "plug_e"], [tmp_path])


def test_a_plugin_that_fails_leaves_no_folder_to_import_from(tmp_path: Path) -> None:
    write(tmp_path / "broken", "plug_once_broken.py", "raise ValueError('half done')")
    with pytest.raises(StageError, match="half done"):
        import_plugins(["plug_once_broken"], [tmp_path / "broken"])
    with pytest.raises(ModuleNotFoundError):
        __import__("plug_once_broken")
    write(tmp_path / "good", "plug_once_broken.py", "FROM = 'good'")
    import_plugins(["plug_once_broken"], [tmp_path / "good"])
    assert sys.modules["plug_once_broken"].FROM == "good"


def test_a_script_that_names_itself_registers_once(tmp_path: Path) -> None:
    """Under the name of a plugin it is the running script; a process that runs something else imports it."""
    script = tmp_path / "01_script.py"
    script.write_text(
        "from optima_envs import EnvSpec, Instance, register\n"
        "class Own(list): pass\n"
        "register(EnvSpec('mine/own-v0', Own))\n"
        "if __name__ == '__main__':\n"
        "    import sys\n"
        "    from optima_train.run.plugins import import_plugins\n"
        f"    import_plugins(['01_script'], [{str(tmp_path)!r}])\n"
        "    print(sys.modules['01_script'].Own is Own)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, str(script)], cwd="/", env=env, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr
    import_plugins(["01_script"], [tmp_path])
    assert sys.modules["01_script"].__name__ == "01_script"
