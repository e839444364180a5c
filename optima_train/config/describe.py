"""Every setting with its type, its default and its meaning, from the models themselves; and the JSON schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .settings import TrainConfig


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting by its dotted ``key``; ``default`` is None where there is none, else as YAML."""

    key: str
    kind: str
    default: str | None
    meaning: str


def settings(model: type[BaseModel] = TrainConfig, prefix: str = "") -> Iterator[Setting]:
    """Every setting of a model in the order of its fields; sections are walked through, ``NAME`` stands for a name of
    the user's own."""
    for name, field in model.model_fields.items():
        key, section = prefix + name, _section(field.annotation)
        named = get_origin(field.annotation) is dict  # sections under names of the user's own
        if section is None or named or NoneType in get_args(field.annotation):
            yield Setting(key, kind_of(field.annotation), _default(field), plain(field.description))
        if section is not None:
            yield from settings(section, f"{key}.NAME." if named else f"{key}.")


def sections() -> dict[str, str]:
    """The sections of a recipe with what each is about; ``""`` stands for the settings of the run itself."""
    fields = TrainConfig.model_fields.items()
    return {"": "Which model learns what, by which method, and how the run is carried out."} | {
        name: plain(field.description) for name, field in fields if _section(field.annotation)
    }


def schema() -> dict[str, Any]:
    """The JSON schema of a recipe file: nothing is required, for a recipe may extend others."""
    found = TrainConfig.model_json_schema()
    found.pop("required", None)
    for part in found.get("$defs", {}).values():
        part.pop("required", None)
    names = {"type": "string"}
    found["properties"] = {
        "extends": {
            "anyOf": [names, {"type": "array", "items": names}],
            "description": "Recipes that this one is laid over: packaged names, or files beside it.",
        },
        **found["properties"],
    }
    return found


def plain(text: str | None) -> str:
    """A docstring as one line of plain text."""
    return " ".join((text or "").replace("``", "`").split())


def kind_of(annotation: Any) -> str:
    """A type in words: ``"a | b"``, ``number or null``, ``list of texts``."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(str(value) for value in inner)
    if origin is tuple:
        return f"list of {kind_of(inner[0])}s"
    if origin is dict:
        return "mapping"
    if hasattr(annotation, "__metadata__"):
        return kind_of(inner[0])
    if inner:
        return " or ".join(kind_of(part) for part in inner)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    names = {str: "text", int: "whole number", float: "number", bool: "true | false", NoneType: "null"}
    return names.get(annotation, "mapping" if _section(annotation) else re.sub(r"^.*\.", "", str(annotation)))


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model of a section of settings, also of one that may be null; a list of sections is one value."""
    if get_origin(annotation) is tuple:
        return None
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def as_yaml(value: Any) -> str:
    """A value on one line, as it can be written in a recipe."""
    value = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _default(field: FieldInfo) -> str | None:
    return None if field.is_required() else as_yaml(field.get_default(call_default_factory=True))
