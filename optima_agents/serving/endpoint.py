"""Endpoint: a team as an ASGI application that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import copy
import hmac
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from optima_envs.records import Episode, Turn
from optima_envs.scoring.metrics import Unjudged

from ..backends.base import EngineDead
from ..llm import LLMPolicy
from ..policy import Policy, seats
from .drive import drive
from .questions import Question, Refused, read_question
from .replies import Reply, one_line, refusal_of

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

    from ..store import EpisodeLog

MOST_BYTES = 1 << 20  # of a request
BODY_S = 30.0  # until a request's body must have come
ALIVE_S = 15.0  # between signs of life in a stream that waits for a turn


class Endpoint:
    """A team that answers questions over HTTP; ``app()`` is the application.

    ``scenario`` gives rules and answer format, its instances are not used. ``policies``: one for all seats or by agent.
    ``model``: the name clients ask for. At most ``concurrency`` dialogues run and ``waiting`` more requests wait; what
    comes beyond is refused with status 429. ``timeout``: seconds without a new turn until a dialogue is given up.
    ``key``: what requests must carry as a bearer token; None: nothing. With ``log`` every dialogue is appended to it.
    ``told`` gets a line for every question. ``failure`` is set, and ``ended`` called, when no further question can be
    answered: a dead engine, a full disk.
    """

    def __init__(
        self,
        scenario: Scenario,
        policies: Policy | Mapping[str, Policy],
        *,
        model: str,
        concurrency: int = 16,
        waiting: int = 64,
        timeout: float = 600.0,
        key: str | None = None,
        log: EpisodeLog | None = None,
        told: Callable[[str], None] = lambda line: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        if concurrency < 1 or waiting < 0 or timeout <= 0:
            raise ValueError("concurrency >= 1, waiting >= 0 and timeout > 0 are needed")
        self._scenario = replace(scenario, metric=Unjudged())
        self._agents = scenario.rules.agents
        self._seats = seats(policies, self._agents)
        self._model, self._most, self._timeout = model, concurrency + waiting, timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._key, self._log, self._told, self._ended = key, log, told, ended
        self._created = int(time.time())
        self._running: set[asyncio.Task[Episode]] = set()
        self.failure: Exception | None = None
        self.answered = self.failed = 0

    def app(self) -> Starlette:
        """The application: ``/v1/chat/completions``, ``/v1/models`` and ``/health``."""
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
        ]
        return Starlette(routes=routes, exception_handlers={Refused: _refuse, HTTPException: _elsewhere})

    async def close(self) -> None:
        """Give up the dialogues under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _chat(self, request: Request) -> Response:
        self._allow(request)
        name = f"chatcmpl-{uuid.uuid4().hex}"
        question = read_question(await _body(request), self._agents, self._model)
        reply, turns = Reply(name, int(time.time()), self._model), asyncio.Queue[Turn | None]()
        task = self._begin(question, name, turns)
        if question.stream:
            return StreamingResponse(self._stream(question, reply, turns, task), media_type="text/event-stream")
        gone = asyncio.create_task(_disconnected(request))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                return Response(status_code=499)  # nobody is there to read it
            return JSONResponse(reply.whole(self._judged(task)))
        finally:
            gone.cancel()
            task.cancel()

    async def _stream(
        self, question: Question, reply: Reply, turns: asyncio.Queue[Turn | None], task: asyncio.Task[Episode]
    ) -> AsyncGenerator[bytes]:
        try:
            yield reply.begin()
            while True:
                try:
                    turn = await asyncio.wait_for(turns.get(), ALIVE_S)
                except TimeoutError:
                    yield b": a turn is under way\n\n"
                    continue
                if turn is None:
                    break
                yield reply.turn(turn)
            try:
                yield reply.last(self._judged(task), question.usage)
            except Refused as refused:
                yield reply.failed(refused)
        finally:
            task.cancel()

    def _begin(self, question: Question, name: str, turns: asyncio.Queue[Turn | None]) -> asyncio.Task[Episode]:
        """Start the dialogue; its turns go into ``turns``, None at its end. Raises Refused when there is no room."""
        if self.failure is not None:
            raise Refused(f"no question can be answered any more: {self.failure}", status=503, code="engine_dead")
        if len(self._running) >= self._most:
            raise Refused("too many questions at a time; ask again later", status=429, code="rate_limit_exceeded")
        task = asyncio.create_task(self._play(question, name, turns))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: turns.put_nowait(None))
        return task

    async def _play(self, question: Question, name: str, turns: asyncio.Queue[Turn | None]) -> Episode:
        team = {agent: _sampled(policy, question.sampling) for agent, policy in self._seats.items()}
        async with self._slots:
            try:
                episode = await drive(
                    self._scenario, question.instance, team, seed=question.seed, heard=turns.put_nowait,
                    timeout=self._timeout, keep_ids=self._log is not None, info={"request": name},
                )  # fmt: skip
                if self._log is not None:
                    self._log.append(episode)
            except (EngineDead, OSError) as err:  # no later question would fare better
                self.failure = self.failure or err
                self._ended()
                raise
        refused = None if episode.error is None else refusal_of(episode.error)
        self.answered += refused is None
        self.failed += refused is not None
        self._told(one_line(episode, 200 if refused is None else refused.status))
        return episode

    def _judged(self, task: asyncio.Task[Episode]) -> Episode:
        """The finished dialogue. Raises Refused for one that failed."""
        if task.cancelled():
            raise Refused("the server is stopping", status=503, code="stopping")
        if (err := task.exception()) is not None:
            raise Refused(f"the engine is gone: {err}", status=503, code="engine_dead")
        if (episode := task.result()).error is not None:
            raise refusal_of(episode.error)
        return episode

    def _allow(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if self._key is not None and not hmac.compare_digest(given, f"Bearer {self._key}".encode()):
            raise Refused("this server wants a key, as a bearer token", status=401, code="invalid_api_key")

    async def _models(self, request: Request) -> Response:
        self._allow(request)
        row = {"id": self._model, "object": "model", "created": self._created, "owned_by": "optima"}
        return JSONResponse({"object": "list", "data": [{**row, "agents": list(self._agents)}]})

    async def _health(self, request: Request) -> Response:
        well = self.failure is None
        told = {"status": "ok" if well else "engine dead", "running": len(self._running), "answered": self.answered}
        return JSONResponse(told, status_code=200 if well else 503)


def _sampled(policy: Policy, said: Mapping[str, float]) -> Policy:
    """The policy with what a request says of sampling; the limit of tokens may only be lowered."""
    if not said or not isinstance(policy, LLMPolicy):
        return policy
    limit = int(min(said.get("max_tokens", policy.sampling.max_tokens), policy.sampling.max_tokens))
    changed = copy.copy(policy)
    changed.sampling = replace(policy.sampling, **{**said, "max_tokens": limit})
    return changed


async def _body(request: Request) -> bytes:
    """The body, whole. Raises Refused for one that is too long or does not come."""
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                found += part
                if len(found) > MOST_BYTES:
                    raise Refused(f"a request is at most {MOST_BYTES} bytes", status=413, code="request_too_large")
    except TimeoutError:
        raise Refused(f"the request did not come within {BODY_S:g} s", status=408, code="timeout") from None
    return bytes(found)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refuse(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)  # noqa: S101 - starlette calls it for nothing else
    headers = (
        {"Retry-After": "1"}
        if refused.status == 429
        else {"Connection": "close"}
        if refused.status in (408, 413)
        else {}
    )
    return JSONResponse(refused.body(), status_code=refused.status, headers=headers)


async def _elsewhere(request: Request, err: Exception) -> Response:
    """Paths and methods that there are none of."""
    status = getattr(err, "status_code", 404)
    told = Refused(f"{request.method} {request.url.path}: there is POST /v1/chat/completions and GET /v1/models",
                   status=status, code="not_found")  # fmt: skip
    return JSONResponse(told.body(), status_code=status)
