"""Workers by name: ``ray:local``, ``ray:auto``, ``ray:HOST:PORT``, each with ``?workers=N&gpus=N&cpus=N``."""

from __future__ import annotations

from urllib.parse import parse_qsl

from optima_envs.extras import need

from .pool import Pool

SHAPE = "ray:local, ray:auto or ray:HOST:PORT, with ?workers=4&gpus=1&cpus=2 after it"


def open_workers(name: str) -> Pool:
    """The pool of a name; nothing is started before it is used. Raises as ``check_workers``."""
    address, options = _read(name)
    check_workers(name)
    from .ray_cluster import RayCluster

    workers = options.get("workers")
    found = RayCluster(
        address,
        workers=None if workers is None else int(workers),
        gpus=options.get("gpus"),
        cpus=options.get("cpus", 1.0),
    )
    return Pool(found)


def check_workers(name: str) -> None:
    """Raises ValueError for a name of no workers, MissingExtra without ray."""
    _read(name)
    need("ray", f"workers {name}")


def _read(name: str) -> tuple[str, dict[str, float]]:
    kind, _, rest = name.partition(":")
    address, _, query = rest.partition("?")
    try:
        options = {
            key: float(value) for key, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        }
    except ValueError:
        options = {"": 0.0}
    sound = all(value > 0 or (key == "gpus" and value == 0) for key, value in options.items())
    sound = sound and float(options.get("workers", 1)).is_integer()
    if kind != "ray" or not address or options.keys() - {"workers", "gpus", "cpus"} or not sound:
        raise ValueError(f"workers are {SHAPE}; not {name!r}")
    return address, options
