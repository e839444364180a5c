"""Recipes: YAML files over each other (``extends``), dotted overrides on top, checked into a TrainConfig.

``extends`` names one recipe or a list of them, each over the ones before it. pydantic-settings would read the files
too, but has no ``extends``, takes the last of repeated keys in silence, and names neither file nor nearest key.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from optima_envs.documents import dump_yaml, load_yaml

from .settings import TrainConfig

__all__ = ["TrainConfig", "ConfigError", "load", "check", "dump", "find", "flatten", "merge", "nested"]
# values of the setting that was called processes, beside train.processes, until version 0.1
OLD_ISOLATION = {"rooms": "per-kind", "stages": "per-stage", "one": "one", "inline": "inline"}
RECIPES = Path(__file__).parents[1] / "recipes"
Model = TypeVar("Model", bound=BaseModel)


class ConfigError(ValueError):
    """A recipe or an override is wrong; the message names the file or the dotted key and the way out."""


def load(recipe: str | Path, overrides: Iterable[str] = (), parts: Iterable[str | Path] = ()) -> TrainConfig:
    """The config of a recipe file or of a packaged recipe's name, with ``parts`` laid over it, such as ``8b-1gpu``
    (files, or packaged ones by name), and ``a.b=value`` overrides on top.

    Raises ConfigError naming the file, or the key and the nearest known one.
    """
    files: dict[Path, dict[str, Any]] = {}
    data = _read(find(recipe), (), files)
    if data.get("plugins"):  # they may lie beside the recipe
        folders = [str(path.parent) for path in files if RECIPES not in path.parents]
        data = {"plugin_folders": [*dict.fromkeys(folders)], **data}
    for part in parts:
        data = merge(data, _read(find(part, RECIPES / "parts", "part"), (), files))
    for text in overrides:
        data = override(data, *assignment(text))
    return check(data, TrainConfig)


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, over those it extends. Raises ConfigError naming the file."""
    return _read(path, (), {})


def override(data: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """``data`` with one setting, by its dotted key, on top."""
    return merge(data, renamed(nested(key, value)))


def renamed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of earlier versions under the names they have now."""
    isolation = OLD_ISOLATION.get(str(data.get("processes")))
    if isolation is None:
        return dict(data)
    return {**{key: value for key, value in data.items() if key != "processes"}, "isolation": isolation}


def assignment(text: str) -> tuple[str, Any]:
    """``a.b=1`` gives ``("a.b", 1)``. Raises ConfigError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {text!r} is not of the form key=value")
    return key, _parse(value, f"override {key}")


def check(data: Mapping[str, Any], kind: type[Model]) -> Model:
    """A plain mapping as settings of that kind. Raises ConfigError listing every wrong key."""
    try:
        text = json.dumps(data)
    except TypeError as err:
        raise ConfigError(f"config holds something that is no plain value: {err}") from None
    try:
        return kind.model_validate_json(text)  # JSON mode: strict, yet a list is a tuple
    except ValidationError as err:
        raise ConfigError("; ".join(_explain(problem, kind) for problem in err.errors())) from None


def dump(config: BaseModel) -> str:
    """The whole config as YAML that ``load`` reads back to an equal one."""
    return dump_yaml(config.model_dump(mode="json"))


def flatten(config: TrainConfig) -> dict[str, Any]:
    """Every setting by its dotted key."""

    def walk(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in data.items():
            if isinstance(value, dict) and value:
                yield from walk(value, f"{prefix}{key}.")
            else:
                yield prefix + key, value

    return dict(walk(config.model_dump(mode="json"), ""))


def find(name: str | Path, folder: Path = RECIPES, kind: str = "recipe") -> Path:
    """The file of ``name``: a path, or one packaged in ``folder``. Raises ConfigError with close matches."""
    path = Path(name)
    packaged = folder / f"{path.name.removesuffix('.yaml')}.yaml"
    if path.is_file():
        return path
    if len(path.parts) == 1 and packaged.is_file():
        return packaged
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    near = difflib.get_close_matches(path.stem, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"packaged {kind}s: {', '.join(known)}"
    raise ConfigError(f"no {kind} {str(name)!r}; {hint}")


def nested(key: str, value: Any) -> dict[str, Any]:
    """``a.b`` and 1 -> ``{"a": {"b": 1}}``."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``; mappings merge, everything else is replaced."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return out


def _read(path: Path, above: tuple[Path, ...], known: dict[Path, dict[str, Any]]) -> dict[str, Any]:
    """``known`` holds what was read before: a file that many others extend is read once."""
    path = path.resolve()
    if path in known:
        return known[path]
    if path in above:
        raise ConfigError(f"{path.name}: extends itself by way of {', '.join(p.name for p in above)}")
    data = _parse(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of keys to values, not {type(data).__name__}")
    data = renamed(data)
    parents = data.pop("extends", None) or []
    under: dict[str, Any] = {}
    for parent in parents if isinstance(parents, list) else [parents]:
        beside = path.parent / f"{str(parent).removesuffix('.yaml')}.yaml"
        under = merge(under, _read(beside if beside.is_file() else find(str(parent)), (*above, path), known))
    known[path] = merge(under, data)
    return known[path]


def _parse(text: str, where: str) -> Any:
    try:
        return load_yaml(text)
    except yaml.YAMLError as err:
        raise ConfigError(f"{where}: {' '.join(str(err).split())}") from None


def _explain(problem: Any, kind: type[BaseModel]) -> str:
    where = [str(part) for part in problem["loc"] if not _is_branch(str(part))]
    key = ".".join(where)
    if problem["type"] == "extra_forbidden":
        known = _paths(kind)
        plain = [part for part in where if not part.isdigit()]  # without places in lists
        near = difflib.get_close_matches(".".join(plain), known, n=1, cutoff=0.6)
        siblings = [path for path in known if path.rpartition(".")[0] == ".".join(plain[:-1])]
        return f"unknown key {key}; " + (f"did you mean {near[0]}?" if near else f"known here: {', '.join(siblings)}")
    if problem["type"] == "missing":
        return f"{key} must be set"
    message = problem["msg"].removeprefix("Value error, ")
    got = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
    return f"{key}: {message}{got}" if key else message


def _is_branch(part: str) -> bool:
    """Whether an error's location names a member of a union type rather than a key."""
    return part.startswith(("tuple[", "literal[", "function-"))


def _paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        found.append(prefix + name)
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found += _paths(kind, f"{prefix}{name}.")
    return found
