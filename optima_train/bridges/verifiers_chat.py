"""verifiers: a harness whose chat loop runs in this process; the stock ones start a program for every turn."""

from __future__ import annotations

from typing import Any

from optima_envs.extras import need

try:
    import aiohttp
    import verifiers.v1 as vf
    from verifiers.v1.dialects.chat import message_to_wire
except ModuleNotFoundError:
    need("verifiers", "the bridge to verifiers")
    raise


class InProcessChatConfig(vf.HarnessConfig):
    """Nothing to set."""


class InProcessChat(vf.Harness[InProcessChatConfig]):
    """One chat completion for each turn of an interaction, by way of verifiers' own endpoint, which records it."""

    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def session(self, *args: Any, **kwargs: Any) -> vf.HarnessSession:
        return ChatSession(self, *args, **kwargs)

    async def launch(self, *args: Any, **kwargs: Any) -> vf.ProgramResult:
        raise NotImplementedError("this harness answers the turns of an interaction and has no program to launch")


class ChatSession(vf.HarnessSession):
    """The conversation of one agent in one dialogue."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._history: list[dict[str, Any]] = []
        self._client = aiohttp.ClientSession()

    async def _run(self, messages: vf.Messages | None) -> vf.ProgramResult:
        self._history += [message_to_wire(message) for message in messages or ()]
        asked = {"model": self.ctx.model, "messages": self._history}
        headers = {"authorization": f"Bearer {self.secret}"}
        async with self._client.post(f"{self.endpoint}/chat/completions", json=asked, headers=headers) as reply:
            if reply.status != 200:
                return vf.ProgramResult(1, "", (await reply.text())[:2_000])
            told = await reply.json()
        self._history.append({"role": "assistant", "content": told["choices"][0]["message"].get("content") or ""})
        return vf.ProgramResult(0, "", "")

    async def close(self) -> None:
        await super().close()
        await self._client.close()
