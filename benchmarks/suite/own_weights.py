"""OwnWeights: the team of a run whose agents have weights of their own, as the one engine that a suite plays with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optima_agents.backends.base import Backend, Completion, Request
    from optima_train import TrainConfig
    from optima_train.run.engines import ModelRef


class OwnWeights:
    """``seat`` gives an agent's engine and adapter. Whoever is no agent of the run, as in methods that bring roles of
    their own, speaks with the first agent's."""

    def __init__(self, config: TrainConfig, ref: ModelRef, **options: Any) -> None:
        from optima_train.run.engines import Engines

        engines = Engines(config, **options)
        self._seats = {agent: engines.player(ref, agent) for agent, _ in ref.seats}
        self._opened = list({id(backend): backend for backend, _ in self._seats.values()}.values())

    def seat(self, agent: str) -> tuple[Backend, str | None]:
        """The engine that speaks for ``agent``, and the name of its adapter there."""
        return self._seats.get(agent) or next(iter(self._seats.values()))

    async def complete(self, request: Request) -> Completion:
        """With the first agent's weights, unless the request names an adapter."""
        return await self._opened[0].complete(request)

    def render(self, messages: Sequence[Any]) -> Any:
        """As the first engine does; all have one tokenizer."""
        return self._opened[0].render(messages)  # type: ignore[attr-defined]

    def encode(self, text: str) -> Any:
        return self._opened[0].encode(text)  # type: ignore[attr-defined]

    def progress(self) -> int:
        """How many forward passes all engines have computed."""
        return sum(backend.progress() for backend in self._opened if hasattr(backend, "progress"))  # type: ignore[attr-defined]

    async def aclose(self) -> None:
        """Close every engine once."""
        for backend in self._opened:
            await backend.aclose()
