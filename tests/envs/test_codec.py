"""Episodes as lines of JSON: the lines of older versions stay readable, and new ones are written the same way."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

import numpy as np

from optima_agents.episode_line import episode_line
from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn, Usage

# written by the first version of the log (schema 1); never to be written again
GOLDEN = Path(__file__).parent / "golden_episodes.jsonl"


def episodes() -> list[Episode]:
    inst = Instance("q-1", "Who, Zoë?", ("Ann", "ann b."), {"Alice": "a\tb\n", "Bob": ""}, {"held": {"Alice": ["x"]}})
    whole = Turn("Alice", 'say "hi" \\ é 🙂', 3, (1, 2, 3), (4, 5, 6), (-0.5, -1e-07, 0.0), "stop", Usage(3, 3, 1))
    cut = Turn("Bob", "", 0, None, None, None, "length", None)
    odd = Turn("Bob", "\x00 \x1b[31m \x85 \u2028 \u2029 \u202e NaN -Infinity", 12)
    numpy_ids = tuple(np.arange(3))
    return [
        Episode(EpisodeKey("q-1"), "optima/x-v0", inst, (whole, cut), Outcome("answered", "Ann"), 1.0, True),
        Episode(
            EpisodeKey("q-1", 7, 2**31 - 1),
            "optima/x-v0",
            inst,
            (odd,),
            Outcome("max_turns"),
            2 / 3,
            False,
            -0.25,
            {"task": 2 / 3, "tokens": -1.0},
            seconds=1.25,
            info={"format": None, "deep": [1, 2.5, {"a": [True]}]},
        ),
        Episode(
            EpisodeKey("q-2"),
            "other/y-v3",
            Instance("q-2", "", ()),
            (),
            Outcome("error"),
            error=ErrorInfo("backend", "503: try\nlater"),
        ),
        Episode(EpisodeKey("q-3"), "optima/x-v0", inst, (Turn("A", "\ud800 lone"),), Outcome("token_budget", "\ud800")),
        Episode(
            EpisodeKey("q-4"),
            "optima/x-v0",
            inst,
            (Turn("A", "b", 1, ids=numpy_ids),),
            Outcome("answered", "b"),
        ),
        Episode(
            EpisodeKey("q-5"),
            "optima/x-v0",
            inst,
            (Turn("A", "b", 1),),
            Outcome("answered", "b"),
            info=MappingProxyType({"a": (1, MappingProxyType({2: "b"}))}),
        ),
    ]


def test_lines_are_written_as_ever():
    assert [episode_line(episode) for episode in episodes()] == GOLDEN.read_bytes().split(b"\n")[:-1]


def test_lines_of_the_first_version_are_read():
    *plain, mapped = [Episode.from_json(json.loads(row)) for row in GOLDEN.read_bytes().split(b"\n")[:-1]]
    assert plain == episodes()[:-1]
    assert (mapped.key, mapped.info) == (episodes()[-1].key, {"a": [1, {"2": "b"}]})
