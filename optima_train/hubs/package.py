"""Packages: the names, the version and the README card of an environment that is exported, and how its files are made.

Templates are filled with literals of plain values alone, so that nothing in an id, a setting or a data sheet is code.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from optima_envs import scenario, spec
from optima_envs.lazy import installed
from optima_envs.spec import parse_id

from ..report.tables import Table, escaped
from ..run.files import write_text

if TYPE_CHECKING:
    from optima_envs import EnvSpec

TEMPLATES = Path(__file__).parent / "templates"
SCORES = ("label", "n", "score", "tokens", "turns")


class ExportError(ValueError):
    """An environment or a run cannot be exported as asked; the message names the way out."""


@dataclass(frozen=True)
class Package:
    """An environment with its ``settings``, about to be exported. ``scores``: result rows for the card.

    Raises ExportError for settings that are no plain values, and for agents whose names no field can have.
    """

    env: str
    settings: Mapping[str, Any]
    scores: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        try:
            told = json.loads(json.dumps(dict(self.settings), allow_nan=False))
        except (TypeError, ValueError) as err:
            raise ExportError(f"settings of a package are plain values: {err}") from None
        for key, value in told.items():
            if isinstance(value, str) and Path(value).exists():
                raise ExportError(
                    f"{key}={value} is a file of this machine, which a package cannot bring; leave it out"
                )
        object.__setattr__(self, "settings", told)
        for role in self.roles:
            if not role.isidentifier() or keyword.iskeyword(role) or role.startswith("_"):
                raise ExportError(
                    f"the agent {role!r} cannot be a field's name; name the agents otherwise: agents=[...]"
                )

    @cached_property
    def spec(self) -> EnvSpec:
        return spec(self.env)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        return scenario(self.spec.id, **self.settings, instances=()).rules.agents

    @property
    def roles(self) -> list[str]:
        return [agent.lower() for agent in self.agents]

    @cached_property
    def module(self) -> str:
        """The name to import: ``optima_twohop_asym_v0``."""
        space, name, version = parse_id(self.spec.id)
        return re.sub(r"\W", "_", f"{space}_{name}_v{version}").lower()

    @property
    def distribution(self) -> str:
        return self.module.replace("_", "-")

    @property
    def version(self) -> str:
        """Goes up with the environment's own."""
        return f"0.1.{parse_id(self.spec.id)[2]}"

    def fill(self, template: str, **more: str) -> str:
        """A template of ours with the package's values in it; texts as literals that Python, TOML and YAML share."""
        summary = self.spec.sheet.summary or self.spec.id
        values = {
            "env": literal(self.spec.id),
            "settings": repr(self.settings),
            "module": self.module,
            "distribution": self.distribution,
            "version": self.version,
            "ours": _release(),
            "summary": literal(summary),
            "class_name": "".join(part.capitalize() for part in self.module.split("_")),
            "card": self.card(),
        }
        return Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(values | more)

    def card(self) -> str:
        """What the environment is, its licence, where its data come from, and what teams reach in it."""
        sheet = self.spec.sheet
        lines = [escaped(sheet.summary), ""]
        facts = {
            "environment": f"`{self.spec.id}` of Optima (`optima-marl`)",
            "agents": ", ".join(map(escaped, self.agents)),
            "metric": f"`{self.spec.metric}`" + (f": {escaped(sheet.metric)}" if sheet.metric else ""),
            "settings": f"`{json.dumps(self.settings)}`" if self.settings else "",
            "data": escaped(sheet.source),
            "licence of the data": escaped(sheet.licence),
            "licence of this package": "Apache-2.0",
            "idea": escaped(sheet.paper),
        }
        lines += ["| | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items() if fact)]
        lines += ["", *(f"- {escaped(note)}" for note in sheet.notes)]
        if self.scores:
            told = "Greedy, plain prompts, on the first instances of the evaluation split; 95% intervals by bootstrap:"
            lines += ["", "## Scores", "", told, "", Table(SCORES, self.scores).markdown()]
        return "\n".join(lines)


def literal(text: str) -> str:
    """A text between quotes, as Python, TOML and YAML all read it; control characters become spaces."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return json.dumps(" ".join(plain.split()), ensure_ascii=False)


def write_files(out: Path, files: Mapping[str, str]) -> None:
    """Write a new folder. Raises ExportError for one that holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} exists; name a new folder")
    for name, text in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(out / name, text)


def _release() -> str:
    """What a package asks of us: this version or newer, within the same minor one."""
    numbers = re.match(r"(\d+)\.(\d+)", installed())
    return f">={numbers[1]}.{numbers[2]},<{numbers[1]}.{int(numbers[2]) + 1}" if numbers else ""
