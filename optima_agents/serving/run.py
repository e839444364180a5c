"""Running an endpoint: a socket, uvicorn, and an end that lets what is under way finish."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from .endpoint import Endpoint

KEPT_ALIVE_S = 30
HEADERS = 1 << 16  # bytes
CONNECTIONS = 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError naming the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as err:
        raise OSError(
            f"cannot listen on {host} port {port}: {getattr(err, 'strerror', err)}; name others by --host and --port"
        ) from None


async def run(make: Callable[[Callable[[], None]], Endpoint], listening: socket.socket, *, grace: float) -> None:
    """Serve until a signal, or until the endpoint can answer no more; then ``grace`` seconds for what is under way.

    ``make`` is given what the endpoint calls when it cannot go on.
    """
    server: uvicorn.Server | None = None

    def stop() -> None:
        if server is not None:
            server.should_exit = True

    endpoint = make(stop)
    config = uvicorn.Config(
        endpoint.app(),
        log_level="warning",
        access_log=False,
        lifespan="off",
        http="h11",
        ws="none",
        server_header=False,
        timeout_keep_alive=KEPT_ALIVE_S,
        timeout_graceful_shutdown=int(grace),
        h11_max_incomplete_event_size=HEADERS,
        limit_concurrency=CONNECTIONS,
    )
    server = uvicorn.Server(config)
    try:
        await server.serve(sockets=[listening])
    finally:
        await asyncio.shield(endpoint.close())
