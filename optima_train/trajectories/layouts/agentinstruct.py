"""AgentInstruct (AgentTuning): ``{id, conversations: [{from: human|gpt, loss: null|false|true, value}]}``.

The first message instructs, the agent's first one accepts ("Ok.", without loss), the next sets the task, what follows
are answers of the world. Copies with ``role``/``content`` and without loss flags are read too, with a note.
"""

from __future__ import annotations

from typing import Any

from optima_envs.records import Episode

from ..messages import dialect, fields, read_chat, renamed, spoken, text_id
from ..registry import Read, Where, Write, row_id
from ..transcript import OTHERS, episode, masked

KEYS = ("from", "value")
HUMAN, GPT = "human", "gpt"
UNFLAGGED = "no loss flags"


def reader() -> Read:
    def read(row: Any, at: Where) -> Episode:
        rows = fields(row, "conversations")["conversations"]
        chat = read_chat(rows, observing=True)
        info = dialect(rows, KEYS, HUMAN, GPT) | ({} if chat.flagged else {"note": UNFLAGGED})
        name = text_id(row.get("id"), at)
        return episode(
            "agentinstruct", name, chat.question, chat.turns, system=chat.system, masked=chat.masked, info=info
        )

    return read


def writer() -> Write:
    def write(item: Episode) -> dict[str, Any]:
        rows = renamed(spoken(item), KEYS, HUMAN, GPT, item.info)
        if item.info.get("note") != UNFLAGGED:
            flagged = losses(item, len(rows))
            # the keys in the order of the published files
            rows = [{"from": r["from"], "loss": loss, "value": r["value"]} if "from" in r else {**r, "loss": loss}
                    for r, loss in zip(rows, flagged, strict=True)]  # fmt: skip
        return {"id": row_id(item), "conversations": rows}

    return write


def losses(item: Episode, count: int, others: bool | None = None) -> list[bool | None]:
    """What each of ``count`` messages, the last of them the turns, says of its loss; ``others`` is what messages of
    others say."""
    hidden = masked(item)
    told = [k not in hidden if turn.agent not in OTHERS else others for k, turn in enumerate(item.turns)]
    return [others] * (count - len(told)) + told
