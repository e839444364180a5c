"""RayCluster: workers as plain Ray actors, one for each GPU or core of a cluster. The one file that imports ray.

Ray starts and ends processes, carries calls, and tells who died; leases, the log and who may write are our own. An
actor is never restarted by Ray: a new one takes its place, so nothing it was leased is done twice unseen.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..backends.base import EngineDead
from .pool import Crew
from .worker import Said, Setup, Worker, sizes_of

logger = logging.getLogger(__name__)
LOOK_S = 1.0  # how often nodes that came, left or are drained are looked for
SLOW_S = 60.0  # without a worker for so long, it is said what is waited for
CLOSING_S = 10.0
REACH_S = 10.0


class Actor(Worker):
    """A worker that knows its node."""

    async def node(self) -> str:
        import ray

        return ray.get_runtime_context().get_node_id()


class RayMember:
    """An actor as the driver sees it. ``pid`` and ``node`` are None until it has started."""

    def __init__(self, name: str, actor: Any) -> None:
        self.name = name
        self.gone = False
        self.pid: int | None = None
        self.node: str | None = None
        self._actor = actor

    async def open(self, setup: Setup) -> int:
        """Open, with folders carried through the object store that the actor does not find on its machine."""
        import numpy as np
        import ray

        self.pid, self.node = await self._actor.pid.remote(), await self._actor.node.remote()
        sizes = {folder: sizes_of(folder) for folder in setup.folders}
        for folder in await self._actor.missing.remote(sizes):
            for file in sizes[folder]:
                data = ray.put(np.fromfile(Path(folder) / file, np.uint8))
                await self._actor.keep.remote(folder, file, data)
        return await self._actor.open.remote(setup)

    async def lease(self, units: list[tuple[Any, Any]]) -> None:
        await self._actor.lease.remote(units)

    async def news(self) -> list[Said]:
        return await self._actor.news.remote()

    async def forget(self, keys: list[Any]) -> None:
        await self._actor.forget.remote(keys)

    async def stop(self) -> None:
        """Let the actor close its engines, if it still can, and end it."""
        import ray

        self.gone = True
        if self.pid is not None:
            with suppress(Exception):
                async with asyncio.timeout(CLOSING_S):
                    await self._actor.close.remote()
        with suppress(Exception):
            ray.kill(self._actor, no_restart=True)


class RayCluster:
    """Workers on a cluster: ``local`` starts one here that ends with this process, ``auto`` finds the one this machine
    belongs to, ``HOST:PORT`` names it.

    ``workers``: how many at most (default: as many as fit); each has ``gpus`` GPUs (default: 1 where the cluster has
    any) and ``cpus`` cores. Nodes that join get workers; those of a node that is being drained finish what they have.
    """

    def __init__(self, address: str, *, workers: int | None = None, gpus: float | None = None, cpus: float = 1) -> None:
        self.address, self.workers, self.gpus, self.cpus = address, workers, gpus, cpus
        self.members: list[RayMember] = []
        self._started = self._ours = False
        self._made = 0

    async def attend(self, crew: Crew) -> None:
        """Raises EngineDead when the cluster cannot be reached."""
        self._connect()
        for member in self._present():
            crew.join(member)
        waited = 0.0
        while True:
            for _ in range(self._wanted() - len(self._present())):
                crew.join(self._hired())
            leaving = self._draining()
            for member in self._present():
                if member.node in leaving:
                    await crew.drain(member.name)
            if not any(member.pid for member in self._present()):
                waited += LOOK_S
                if waited >= SLOW_S:
                    waited = 0.0
                    logger.warning("no worker has started yet; the cluster has %s", self._resources())
            await asyncio.sleep(LOOK_S)

    async def aclose(self) -> None:
        await asyncio.gather(*(member.stop() for member in self._present()))
        self.members.clear()
        if self._ours:
            import ray

            ray.shutdown()
            self._started = self._ours = False

    def _connect(self) -> None:
        import ray

        if self._started:
            return
        if not ray.is_initialized():
            _reach(self.address)
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing about a user's cluster is sent anywhere
            own = self.address == "local" and self.workers and not self.gpus
            here: dict[str, Any] = {"num_cpus": self.workers} if own else {}
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
            then = signal.getsignal(signal.SIGTERM)
            try:
                ray.init(self.address, **quiet, **here)
            except (ConnectionError, RuntimeError, ValueError) as err:
                raise EngineDead(f"no Ray cluster at {self.address}: {err}") from None
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, then)  # ray puts its own in its place
            self._ours = True
        self._started = True

    def _present(self) -> list[RayMember]:
        self.members = [member for member in self.members if not member.gone]
        return self.members

    def _hired(self) -> RayMember:
        import ray

        self._made += 1
        gpus = self._gpus()
        actor = ray.remote(Actor).options(
            num_cpus=self.cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0, max_concurrency=64
        )
        member = RayMember(f"ray-{self._made}", actor.remote())
        self.members.append(member)
        return member

    def _wanted(self) -> int:
        """As many workers as the cluster has places for, whoever holds these now."""
        found, gpus = self._resources(), self._gpus()
        fit = int(found.get("GPU", 0) / gpus) if gpus else int(found.get("CPU", 0) / self.cpus)
        return fit if self.workers is None else min(fit, self.workers)

    def _gpus(self) -> float:
        return self.gpus if self.gpus is not None else float(self._resources().get("GPU", 0) >= 1)

    @staticmethod
    def _resources() -> dict[str, float]:
        import ray

        return {name: n for name, n in ray.cluster_resources().items() if name in ("CPU", "GPU")}

    @staticmethod
    def _draining() -> set[str]:
        with suppress(Exception):  # no public call tells; untold, such workers are lost at the end, which loses nothing
            from ray._private.state import state

            return {*state.get_draining_nodes()}
        return set()


def _reach(address: str) -> None:
    """Raises EngineDead when nobody listens at HOST:PORT: ray itself would try for many minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except OSError as err:
        raise EngineDead(f"no Ray cluster at {address}: {err}") from None
