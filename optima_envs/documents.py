"""YAML that people write and strangers send: read safely, and within bounds."""

from __future__ import annotations

import re
from typing import Any, cast

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

MOST_NODES = 100_000  # values in a document, each as often as it is referred to


class _Loader(yaml.SafeLoader):
    """Safe YAML with ``1e-6`` as a number (YAML 1.2), repeated keys refused, and no more values than ``MOST_NODES``."""

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _weight(node, {})
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.value in seen:
                told = f"key {key.value!r} is given twice"
                raise ConstructorError(problem=told, problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key.value, str) else id(key))
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Puts texts that ``_Loader`` would take for numbers into quotes."""


def _text(dumper: Any, text: str) -> yaml.Node:
    # what ends a line in Unicode is lost outside of double quotes
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)
for _kind in cast("list[Any]", [_Loader, _Dumper]):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def dump_yaml(value: Any) -> str:
    """``value``, plain JSON, as YAML that ``load_yaml`` reads back as it was; keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def load_yaml(text: str) -> Any:
    """The value of a YAML document. Raises yaml.YAMLError: broken, a key given twice, a value that holds itself, or
    references that multiply to more than ``MOST_NODES`` values."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None


def _weight(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values ``node`` comes to with its references written out; 0 in ``known`` marks one being weighed."""
    if id(node) not in known:
        known[id(node)] = 0
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = list(node.value)
        known[id(node)] = 1 + sum(_weight(part, known) for part in inner)
        if known[id(node)] > MOST_NODES:
            told = f"more than {MOST_NODES:,} values, with its references written out"
            raise ComposerError(problem=told, problem_mark=node.start_mark)
    elif known[id(node)] == 0:
        raise ComposerError(problem="a value that holds itself", problem_mark=node.start_mark)
    return known[id(node)]
