"""Show every setting of training, or the JSON schema of recipes.

show lists each setting with its default and meaning; with a recipe, and settings a.b=c on top, its value there as well.
schema prints a JSON schema, with which an editor completes and checks recipes.
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from . import UserError

if TYPE_CHECKING:
    from ..config.describe import Setting

EXAMPLE = "optima config show 2wmh-isft train.lora={}"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("show", "schema"))
    parser.add_argument("recipe", nargs="?", help="YAML file or packaged recipe")
    parser.add_argument("overrides", nargs="*", default=[], metavar="a.b=c", help="settings on top of the recipe's")


def run(args: argparse.Namespace) -> int:
    if args.action == "schema":
        if args.recipe:
            raise UserError("the schema is that of all recipes; optima config schema takes no recipe")
        import json

        from ..config.describe import schema

        print(json.dumps(schema(), indent=2))
        return 0
    print(listing(values_of(args.recipe, args.overrides) if args.recipe else {}))
    return 0


def values_of(recipe: str, overrides: list[str]) -> dict[str, str]:
    """Every setting of a recipe by its key, as YAML."""
    from ..config.describe import as_yaml
    from ..config.loading import flatten, load

    return {key: as_yaml(value) for key, value in flatten(load(recipe, overrides)).items()}


def listing(values: Mapping[str, str] = MappingProxyType({})) -> str:
    """Every setting with its value in ``values`` (else its default) and its meaning, for the terminal's width."""
    from ..config.describe import settings

    width = min(120, shutil.get_terminal_size((100, 24)).columns)
    return "\n".join(line for setting in settings() for line in lines(setting, values, width))


def lines(setting: Setting, values: Mapping[str, str], width: int) -> list[str]:
    """One setting: its key and value, its kind and default, its meaning."""
    prefix = f"{setting.key}."
    inside = [f"{key.removeprefix(prefix)}: {value}" for key, value in values.items() if key.startswith(prefix)]
    value = values.get(setting.key) or (f"{{{', '.join(inside)}}}" if inside else setting.default)
    notes = [setting.kind]
    if setting.default is None:
        notes.append("no default")
    elif value != setting.default:
        notes.append(f"default {setting.default}")
    head = f"{setting.key}={'...' if value is None else value}  ({'; '.join(notes)})"
    return [head, *textwrap.wrap(setting.meaning, width, initial_indent="    ", subsequent_indent="    ")]
