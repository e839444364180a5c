"""Workers by name."""

from __future__ import annotations

import pytest

from optima_agents.workers.opening import _read, check_workers


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ray:local", ("local", {})),
        ("ray:auto?workers=4&gpus=0.5&cpus=2", ("auto", {"workers": 4, "gpus": 0.5, "cpus": 2})),
        ("ray:10.0.0.1:6379", ("10.0.0.1:6379", {})),
    ],
)
def test_an_address_and_its_options(name, found):
    assert _read(name) == found


@pytest.mark.parametrize(
    "name", ["", "local", "ray", "ray:", "dask:local", "ray:local?workers=0", "ray:local?workers=1.5", "ray:local?x=1",
             "ray:local?cpus=two", "ray:local?cpus", "ray:local?gpus=-1"]
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_shape_of_one(name):
    with pytest.raises(ValueError, match="ray:local, ray:auto or ray:HOST:PORT"):
        check_workers(name)
