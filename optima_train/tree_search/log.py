"""TreeLog: trees as append-only JSON lines, one per finished round; a tree is all its lines.

A line: ``tree`` (its place in the iteration's block), ``instance``, ``round``, ``expanded`` (the node the round began
at), ``nodes`` made by the round, its ``dialogues`` (leaf and error), ``rewards`` of all leaves so far (total and terms
before weighting, by leaf; they replace those of the line before), and the counts of ``search.Round``. Every number
but ``cached_tokens`` depends on the seed alone.

A node: ``id``, ``parent``, ``turn`` (agent, text, tokens, finish, ids, logprobs to six decimals, and ``prompt``, null
or what it ``keep``s of the beginning of a known sequence and ``add``s to it), ``ending`` (null, or outcome, score,
correct, error). That sequence is the prompt of the first sibling, which is as a rule the same; for a first sibling,
prompt and ids of the same agent's latest turn above; or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import Any

from optima_agents.store import LineLog
from optima_envs.codec import read
from optima_envs.lines import lines, parsed
from optima_envs.records import ErrorInfo, Outcome, Turn
from optima_envs.rewards import Breakdown

from .search import Round
from .tree import ROOT, Ending, Node, Played, Tree, Values

COUNTS = ("sampled_tokens", "merged_turns", "merged_tokens", "prompt_tokens", "cached_tokens")
Row = Mapping[str, Any]


class TreeLog(LineLog):
    """An open log."""

    def add(self, number: int, tree: Tree, done: Round) -> None:
        """Append the round ``done``, which must be ``tree``'s latest. Raises OSError; see ``LineLog``."""
        self.write(round_row(number, tree, done))


def round_row(number: int, tree: Tree, done: Round) -> dict[str, Any]:
    """The line of the round ``done``, which must be ``tree``'s latest."""
    return {
        "tree": number,
        "instance": done.instance,
        "round": done.number,
        "expanded": done.expanded,
        "nodes": [_node_row(tree, node) for node in tree.nodes[done.first_node :]],
        "dialogues": [asdict(one) for one in done.dialogues],
        "rewards": {str(leaf): asdict(row) for leaf, row in tree.rewards.items()},
        **{name: getattr(done, name) for name in COUNTS},
    }


class Trees:
    """The trees of a log, read one at a time; only line offsets are held in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._locations: dict[int, list[tuple[int, int]]] = {}  # line number and byte offset, by tree
        self._instances: dict[int, str] = {}
        if not path.exists():
            return
        for line in lines(path, torn=True):
            row = self._checked(line.row, line.number)
            self._locations.setdefault(row["tree"], []).append((line.number, line.offset))
            self._instances[row["tree"]] = row["instance"]

    def numbers(self) -> list[int]:
        """The trees there are, in rising order."""
        return sorted(self._locations)

    def rounds(self, number: int) -> int:
        """How many rounds of a tree are there; 0 for an unknown one."""
        return len(self._locations.get(number, ()))

    def instance(self, number: int) -> str:
        """The instance of a tree; KeyError for an unknown one."""
        return self._instances[number]

    def rows(self, number: int) -> Iterator[dict[str, Any]]:
        """A tree's lines as they stand. Raises ValueError naming file and line."""
        with self._path.open("rb") as handle:
            for place, (line, offset) in enumerate(self._locations.get(number, ())):
                handle.seek(offset)
                row = self._checked(parsed(handle.readline(), f"{self._path}, line {line}"), line)
                if row.get("round") != place:
                    raise ValueError(f"{self._path}, line {line}: round {row.get('round')} where {place} is due")
                yield row

    def tree(self, number: int, values: Values) -> Tree:
        """A tree, as far as it is grown, with its values of the kind ``values``. Raises ValueError like ``rows``."""
        return grown(self.rows(number), values, f"{self._path}, tree {number}")

    def _checked(self, row: Any, number: int) -> dict[str, Any]:
        if not (isinstance(row, dict) and isinstance(row.get("tree"), int) and isinstance(row.get("instance"), str)):
            raise ValueError(f"{self._path}, line {number}: no tree record: tree is a number, instance a text")
        return row


def grown(rows: Iterable[Row], values: Values, where: str) -> Tree:
    """The tree of these lines, in order. Raises ValueError that begins with ``where``."""
    tree = Tree()
    rewards: dict[int, Breakdown] = {}
    for row in rows:
        try:
            rewards = _replay(tree, row)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as err:
            place = f"{where}, round {row.get('round')}"
            raise ValueError(f"{place}: no tree record: {type(err).__name__}: {err}") from None
    tree.backpropagate(rewards, values)
    return tree


def _replay(tree: Tree, row: Row) -> dict[int, Breakdown]:
    """Add a line to its tree; returns the rewards it states."""
    for item in row["nodes"]:
        if item["id"] != len(tree.nodes) or not ROOT <= item["parent"] < item["id"]:
            raise ValueError(f"node {item['id']} below {item['parent']} where {len(tree.nodes)} is due")
        node = tree.add(item["parent"], _turn(tree, item))
        if item["ending"] is not None:
            end = item["ending"]
            node.ending = Ending(Outcome(**end["outcome"]), end["score"], end["correct"], _error(end["error"]))
    for leaf in (row["expanded"], *(one["leaf"] for one in row["dialogues"]), *map(int, row["rewards"])):
        if not ROOT <= leaf < len(tree.nodes):
            raise ValueError(f"node {leaf} of {len(tree.nodes)}")
    tree.finish(row["expanded"], [Played(one["leaf"], _error(one["error"])) for one in row["dialogues"]])
    return {
        int(leaf): Breakdown(one["total"], one["terms"], _error(one["error"])) for leaf, one in row["rewards"].items()
    }


def _node_row(tree: Tree, node: Node) -> dict[str, Any]:
    turn, prompt = node.turn, None
    if turn.prompt_ids is not None:
        known = _known(tree, node.parent or ROOT, turn.agent, node.id)
        keep = sum(1 for _ in takewhile(bool, (a == b for a, b in zip(known, turn.prompt_ids, strict=False))))
        prompt = {"keep": keep, "add": turn.prompt_ids[keep:]}
    logprobs = None if turn.logprobs is None else [round(float(x), 6) for x in turn.logprobs]
    said = {"agent": turn.agent, "text": turn.text, "tokens": turn.tokens, "finish": turn.finish}
    said |= {"thinking": turn.thinking} if turn.thinking else {}
    return {
        "id": node.id,
        "parent": node.parent,
        "turn": {**said, "prompt": prompt, "ids": turn.ids, "logprobs": logprobs},
        "ending": None if node.ending is None else asdict(node.ending),
    }


def _turn(tree: Tree, item: Row) -> Turn:
    said = dict(item["turn"])
    prompt = said.pop("prompt")
    if prompt is not None:
        known = _known(tree, item["parent"], said["agent"], item["id"])
        said["prompt_ids"] = [*known[: prompt["keep"]], *prompt["add"]]
    return read(Turn, said)


def _known(tree: Tree, parent: int, agent: str, node: int) -> Sequence[int]:
    """The sequence of ids that the prompt of ``node``, a child of ``parent``, is told relative to."""
    first = next((tree.nodes[child].turn for child in tree.nodes[parent].children if child < node), None)
    if first is not None and first.prompt_ids is not None:
        return first.prompt_ids
    for turn in reversed(tree.turns(parent)):
        if turn.agent == agent:
            return (*(turn.prompt_ids or ()), *(turn.ids or ()))
    return ()


def _error(row: Row | None) -> ErrorInfo | None:
    return None if row is None else ErrorInfo(**row)
