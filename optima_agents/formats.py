"""The format pool: ways to write a message, used to widen the search at initialisation (paper section 2.2).

Each hint is one instruction appended to the prompt; it is stripped again from training prompts. The embedded model
knows ``TINY`` (its model card says how well); instruction-tuned models can follow all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

FORMATS: dict[str, str] = {
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
PLAIN = "plain"  # no hint: the team's own way competes with the formats
TINY = ("bare", "arrows", "keyvalue", "telegram", "notes", "slots")


def format_pool(names: Iterable[str] | None = None) -> dict[str, str]:
    """The hints of ``names`` (default: all formats; that of ``plain`` is empty).

    Raises ValueError naming a format that is not in the pool.
    """
    chosen = list(FORMATS) if names is None else list(names)
    unknown = [name for name in chosen if name not in FORMATS and name != PLAIN]
    if unknown:
        raise ValueError(f"unknown format {', '.join(unknown)}; known: {PLAIN}, {', '.join(FORMATS)}")
    return {name: FORMATS.get(name, "") for name in chosen}
