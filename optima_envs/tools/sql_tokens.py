"""A look at a statement before SQLite reads it: its first word, and how often common table expressions are copied.

SQLite copies an expression for every use of its name while it prepares a statement, when no handler can stop it yet:
twenty levels that use the one below twice take seconds.
"""

from __future__ import annotations

import re
from collections import Counter

# comments, quoted names and texts, words, single characters (an unclosed quote is one; so is a space that is not
# ASCII, which may be a name in SQLite)
_TOKEN = re.compile(r"""--[^\n]*|/\*[\s\S]*?(?:\*/|\Z)|('[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\])|(\w+)|([^ \t\n\r\f\v])""")


def first_word(statement: str) -> str:
    """The first word in lower case; empty when the statement begins with something else."""
    tokens = _tokens(statement)
    return tokens[0] if tokens and tokens[0].isidentifier() else ""


def copies(statement: str) -> int:
    """An upper bound on the copies of the common table expression that is copied most: how often each is named, all
    multiplied."""
    tokens = _tokens(statement)
    defined = Counter(name for at, name in enumerate(tokens) if _defines(tokens, at))
    if not defined:
        return 1
    # a name before a full stop only says where a column belongs
    used = Counter(name for name, after in zip(tokens, [*tokens[1:], ""], strict=True) if after != ".")
    product = 1
    for name, times in defined.items():
        product *= max(1, used[name] - times) ** times
        if product > 10**9:
            break
    return product


def _defines(tokens: list[str], at: int) -> bool:
    """Whether ``name AS (``, ``name (column, ...) AS (`` or either with MATERIALIZED stands at ``at``."""
    after = at + 1
    if after < len(tokens) and tokens[after] == "(":
        while after < len(tokens) and tokens[after] != ")":
            after += 1
            if after < len(tokens) and tokens[after] == "(":  # no list of names
                return False
        after += 1
    if after >= len(tokens) or tokens[after] != "as":
        return False
    after += 1
    while after < len(tokens) and tokens[after] in ("not", "materialized"):
        after += 1
    return after < len(tokens) and tokens[after] == "("


def _tokens(statement: str) -> list[str]:
    """Words, names without their quotes and single characters, in lower case."""
    out: list[str] = []
    for match in _TOKEN.finditer(statement):
        quoted, word, other = match.groups()
        if match.lastindex is not None:
            out.append((quoted[1:-1] if quoted else word or other).casefold())
    return out
