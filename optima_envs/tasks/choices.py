"""Multiple choice, shared by ARC and MMLU: options shown with letters, golds that no other option can be taken for."""

from __future__ import annotations

import string
from collections.abc import Sequence

from .dataset import RowError

LETTERS = string.ascii_uppercase


def ask(question: str, options: Sequence[str]) -> str:
    """The question with its options, ``A) ...``, in their given order (some name each other, so never shuffled)."""
    lines = [f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, "Options:", *lines])


def golds(options: Sequence[str], right: int) -> tuple[tuple[str, str], list[str]]:
    """What counts as right (metric ``choice``): the letter, and the text; with what is odd about them.

    Where another option has the same text (case aside) or the text is itself another option's letter, the text alone
    does not tell which is meant, and only the letter or ``letter) text`` counts.
    """
    letter, text = LETTERS[right], options[right]
    flat = [_flat(option) for option in options]
    notes: list[str] = []
    if len(options) != 4:
        notes.append(f"{len(options)} options")
    if flat.count(flat[right]) > 1:
        notes.append("another option has the right one's text")
    elif len(set(flat)) < len(flat):
        notes.append("two options have the same text")
    letters = LETTERS[: len(options)].lower()
    if any(len(option) == 1 and option in letters for option in flat):
        notes.append("an option's text is a letter")
    names_another = len(flat[right]) == 1 and flat[right] in letters and flat[right] != letter.lower()
    ambiguous = flat.count(flat[right]) > 1 or names_another
    return (letter, f"{letter}) {text}" if ambiguous else text), notes


def check_options(options: Sequence[str]) -> None:
    """Raises RowError unless there are 2 to 26 options, none of them empty."""
    if not 2 <= len(options) <= len(LETTERS):
        raise RowError(f"{len(options)} options")
    if not all(option.strip() for option in options):
        raise RowError("an option is empty")


def _flat(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")
