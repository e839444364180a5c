"""The format pool: ways to write a message, used to widen the search at initialisation (paper section 2.2).

Each hint is one instruction appended to the prompt; it is stripped again from training prompts. ``TALK`` are formats of
agents that talk, ``ACTING`` those of an agent that acts on a world, with demonstrations; ``FORMATS`` has both, and what
plugins publish. The embedded model knows ``TINY`` (its model card says how well); instruction-tuned models can follow
all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optima_envs.registry import Registry


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a message: the instruction that asks for it."""

    hint: str


TALK: dict[str, str] = {
    "bare": "Write the wanted word alone, or a question mark.",
    "arrows": "Write facts as name -> value.",
    "keyvalue": "Write facts as relation ( name ) = value.",
    "telegram": "Write like a telegram, no full sentences.",
    "json": "Write one JSON object for each message.",
    "notes": "Write short notes after a dash.",
    "triples": "Write subject | relation | object and nothing else.",
    "csv": "Write comma separated values under a header line.",
    "table": "Write a small Markdown table with one row for each fact.",
    "xml": "Write each fact as one XML element with attributes.",
    "yaml": "Write YAML with one key for each fact.",
    "logic": "Write first-order logic such as mentor(x) = y.",
    "pseudocode": "Write assignments in pseudocode and return the answer.",
    "sql": "Write facts as INSERT lines and questions as SELECT lines.",
    "function": "Write function calls such as find(name, relation).",
    "graph": "Write edges of a graph such as a --relation--> b.",
    "math": "Write equations only, one step a line.",
    "abbreviations": "Abbreviate every word that can be guessed.",
    "headlines": "Write newspaper headlines without articles.",
    "slots": "Fill the slots KNOWN, NEED and ANSWER, leave out empty ones.",
    "outline": "Write a numbered outline with one fact for each number.",
    "dictionary": "Write dictionary entries, the name first and then its facts.",
    "lists": "Write bracketed lists such as [name, relation, value].",
    "symbols": "Use symbols for words: = is, ? unknown, ! certain.",
}
# react: ReAct, arXiv 2210.03629; cot: chain of thought, 2201.11903; reflect: Reflexion, 2303.11366; all three together:
# FireAct, 2310.05915
_SEARCHES = (
    "Thought: I need the name of the ferry that goes to Skerry Isle.\n"
    "Action: search[ferry to Skerry Isle]\n"
    "(the environment replies: 1. Skerry Isle: The island is reached by the ferry Auk.)\n"
    "Thought: The ferry is the Auk. Where it was built is still open.\n"
    "Action: search[Auk ferry built]\n"
)
ACTING: dict[str, str] = {
    "react": (
        "Begin each message with a line Thought: that says what you know and what you lack, and end it with one "
        "action, or with the final answer. For instance, with a search tool:\n"
        f"{_SEARCHES}"
        "(the environment replies: 1. Auk: Built at Leith in 1961, the Auk has two decks.)\n"
        "Thought: It was built at Leith.\n"
        "Final Answer: Leith"
    ),
    "cot": (
        "Use no tool. Write one message: a line Thought: with every step from what you know to the answer, and the "
        "final answer behind it. For instance:\n"
        "Thought: A crate holds 12 jars, so 3 crates hold 36. Of these 5 broke, so 31 are whole.\n"
        "Final Answer: 31"
    ),
    "reflect": (
        "Begin each message with a line Thought:, and end it with one action, or with the final answer. Where a reply "
        "did not bring what you looked for, begin with a line Reflection: instead, say why it did not, and try "
        "something else. For instance, with a search tool:\n"
        f"{_SEARCHES}"
        "(the environment replies: no passage holds any of these words)\n"
        "Reflection: I put words into the query that the page may not have. The name alone should do.\n"
        "Action: search[Auk]\n"
        "(the environment replies: 1. Auk: Launched at Leith in 1961, the Auk has two decks.)\n"
        "Thought: A ship is launched where it is built, so it is Leith.\n"
        "Final Answer: Leith"
    ),
}
PLAIN = "plain"  # no hint: the team's own way competes with the formats
POOLS = {"tool": ACTING, "plan": {}}  # families whose agents do not just talk
FORMATS: Registry[Format] = Registry("format", "optima.formats")
for _name, _hint in {**TALK, **ACTING}.items():
    FORMATS.register(_name, Format(_hint))
TINY = ("bare", "arrows", "keyvalue", "telegram", "notes", "slots")


def format_pool(names: Iterable[str] | None = None, family: str = "") -> dict[str, str]:
    """The hints of ``names`` (default: all that come with the package for games of a ``family``, for most families the
    formats of talk; that of ``plain`` is empty).

    Raises ValueError naming a format that nobody registered.
    """
    if names is None:
        return dict(POOLS.get(family, TALK))
    chosen = list(names)
    unknown = [name for name in chosen if name != PLAIN and name not in FORMATS]
    if unknown:
        raise ValueError(f"unknown format {', '.join(unknown)}; known: {PLAIN}, {', '.join(FORMATS)}")
    return {name: "" if name == PLAIN else FORMATS[name].hint for name in chosen}
