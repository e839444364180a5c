"""Guard: work that raises, takes too long or is cancelled under our hands becomes a result or an ``ErrorInfo``."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from optima_envs.records import ErrorInfo

from .backends.base import BackendError, EngineDead

T = TypeVar("T")
MESSAGE = 2_000  # characters of a failure's message that are kept
LOOKS = 4  # how often within one timeout it is looked whether there was progress
# what this machine ran out of: no dialogue is to blame, and the next one would fail alike
OURS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class EnvError(Exception):
    """Rules, task or metric raised; kept apart from faults of policies and backends."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")


async def guarded(
    work: Awaitable[T], timeout: float, *, progress: Callable[[], int] | None = None, blame: str = "policy"
) -> T | ErrorInfo:
    """What ``work`` gives, or why it gave nothing.

    ``timeout`` is in seconds: from the start, or, with ``progress``, since that count last grew (it is looked at four
    times within a timeout, so it may be a quarter more). ``blame`` is the kind of a failure that is neither the
    environment's nor the backend's. Raises EngineDead, and the OSError that says that this machine ran out of disk
    space, memory or open files: such a failure is not the dialogue's.
    """
    limit = asyncio.timeout(timeout if progress is None else None)
    try:
        async with limit:
            with _watched(limit, timeout, progress):
                return await work
    except TimeoutError as err:
        if not limit.expired():  # a TimeoutError of the policy's own is not ours
            return failure(err, blame)
        return ErrorInfo("timeout", f"no {'progress for' if progress else 'end after'} {timeout:g} s")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # nobody cancelled this episode, only what it waited for; let through, it would end in no log and no count
        return ErrorInfo(blame, "CancelledError: what it waited for was cancelled")
    except EngineDead:
        raise
    except Exception as err:
        if (cause := _ours(err)) is not None:
            raise cause from None
        return failure(err, blame)


@contextmanager
def _watched(limit: asyncio.Timeout, timeout: float, progress: Callable[[], int] | None) -> Iterator[None]:
    """Inside the block, ``limit`` ends it when ``progress()`` has not grown for ``timeout`` seconds."""
    if progress is None:
        yield
        return
    loop, seen = asyncio.get_running_loop(), progress()
    since = loop.time()

    def look() -> None:
        nonlocal seen, since, timer
        if (now := progress()) != seen:
            seen, since = now, loop.time()
        elif loop.time() - since >= timeout:
            limit.reschedule(loop.time())
            return
        timer = loop.call_later(timeout / LOOKS, look)

    timer = loop.call_later(timeout / LOOKS, look)
    try:
        yield
    finally:
        timer.cancel()


def failure(err: Exception, blame: str = "policy") -> ErrorInfo:
    """The record of an exception, by the boundary it crossed."""
    if isinstance(err, EnvError):
        return ErrorInfo("env", str(err)[:MESSAGE])
    kind = "backend" if isinstance(err, BackendError) else blame
    return ErrorInfo(kind, f"{type(err).__name__}: {err}"[:MESSAGE])


def _ours(err: BaseException | None) -> OSError | None:
    while err is not None:
        if isinstance(err, OSError) and err.errno in OURS:
            return err
        err = err.__cause__
    return None


def env(function: Callable[..., T], *args: Any) -> T:
    """What a part of the environment returns. Raises EnvError for whatever it raises."""
    try:
        return function(*args)
    except Exception as err:
        raise EnvError(err) from err


async def together(work: Iterable[Awaitable[T]], *, hurry: bool = False) -> list[T]:
    """The results of all, run at the same time, in their order.

    All of them end before the first failure, in that order, is raised; so it does not depend on which came first, and
    nothing that was asked for is lost. With ``hurry`` the earliest failure cancels the rest and is raised as it is.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION if hurry else asyncio.ALL_COMPLETED)
    finally:  # after a failure in a hurry, or cancelled from outside: nobody is left running
        rest = [task for task in tasks if not task.done()]
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.gather(*rest, return_exceptions=True)
        errors = [_error(task) for task in tasks if task not in rest]
    for err in errors:
        if err is not None:
            raise err
    return [task.result() for task in tasks]


def _error(task: asyncio.Future[Any]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()
