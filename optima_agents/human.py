"""HumanPolicy: a person takes a seat at the terminal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from optima_envs.records import View

from .policy import Act


class HumanPolicy:
    """Shows what the agent may see and reads one line; end of input (Ctrl-D) is an empty utterance.

    ``read(prompt)`` returns a line or raises EOFError, ``show(text)`` prints.
    """

    serial = True  # one dialogue at a time: a person reads one

    def __init__(self, read: Callable[[str], str] = input, show: Callable[[str], None] = print) -> None:
        self.read = read
        self.show = show
        self._shown: dict[str, int] = {}

    async def act(self, view: View, *, seed: int) -> Act:
        self.show(self._news(view))
        return Act((await _in_thread(lambda: self.read(f"{view.agent}> "))).strip())

    def _news(self, view: View) -> str:
        """The whole seat on the first turn of a dialogue, afterwards what was said since."""
        seen = self._shown.get(view.agent, 0)
        first = not any(said.agent == view.agent for said in view.dialogue)
        parts = []
        if first:
            seen = 0
            parts = [f"You are {view.agent} ({view.role}).", view.instructions, f"Question: {view.question}"]
            parts += [f"Only you can see:\n{view.private}"] if view.private else []
        parts += [f"{said.agent}: {said.text}" for said in view.dialogue[seen:] if said.agent != view.agent]
        left = f", {view.tokens_left} tokens left" if view.tokens_left is not None else ""
        parts.append(f"[turn {view.turn + 1}, {view.turns_left} left{left}]")
        self._shown[view.agent] = len(view.dialogue)
        return "\n".join(parts)


async def _in_thread(read: Callable[[], str]) -> str:
    """A daemon thread, so that Ctrl-C ends the program while it waits for a line."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()

    def settle(line: str, err: Exception | None) -> None:
        if future.cancelled():
            return
        if err is None:
            future.set_result(line)
        else:
            future.set_exception(err)

    def work() -> None:
        try:
            line, err = read(), None
        except EOFError:
            line, err = "", None
        except Exception as problem:
            line, err = "", problem
        loop.call_soon_threadsafe(settle, line, err)

    threading.Thread(target=work, name="human", daemon=True).start()
    return await future
