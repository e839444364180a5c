"""HttpJson against the faulty server on loopback: pauses, limits, proxies, and what an error answer may look like."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.faulty_server import answer

pytest.importorskip("aiohttp")
from optima_agents.backends.base import BackendError
from optima_agents.backends.openai_api import http_json, refusals
from optima_agents.backends.openai_api.http_json import ConnectionFailed, HttpJson
from optima_agents.backends.openai_api.refusals import HttpError
from optima_envs import extras

OK = answer({"fine": True})


def asked(server, **options):
    """One request to the server; the answer, or what was raised."""

    async def run():
        http = HttpJson(server.url, {"X-Mine": "1"}, **{"retries": 1, "timeout_s": 5, "connections": 4} | options)
        try:
            return await http.ask("POST", server.url + "/completions", {"q": "é"}, {"X-Once": "2"})
        finally:
            await http.close()

    return asyncio.run(run())


def refusal(server, data, **kwargs) -> HttpError:
    server.script = [answer(data, 400, **kwargs)]
    server.seen.clear()
    with pytest.raises(HttpError) as caught:
        asked(server)
    assert len(server.asked()) == 1, "what the client did wrong is not asked again"
    return caught.value


def test_a_request_carries_its_headers_and_body(server):
    server.script = [OK]
    assert asked(server) == {"fine": True}
    _, headers, body = server.seen[0]
    assert (headers["x-mine"], headers["x-once"], headers["content-type"]) == ("1", "2", "application/json")
    assert body == {"q": "é"}


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("retry-after: 0.125\r\n", 0.125, 0.125),
        ("retry-after-ms: 50\r\nretry-after: 9\r\n", 0.05, 0.05),
        ("retry-after: 86400\r\n", 0.375, 0.5),  # nobody waits for a day
        ("retry-after: -1\r\n", 0.375, 0.5),
        ("retry-after: soon\r\n", 0.375, 0.5),
        ("", 0.375, 0.5),
    ],
)
def test_a_wish_of_the_server_is_obeyed_within_reason(server, caplog, monkeypatch, header, low, high):
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    caplog.set_level(logging.INFO, logger=http_json.__name__)
    server.script = [answer({}, 429, header), OK]
    with monkeypatch.context() as patched:
        patched.setattr(http_json.asyncio, "sleep", sleep)
        assert asked(server) == {"fine": True}
    assert low <= waited[0] <= high
    assert f"HTTP 429; asking again in {waited[0]:.3f} s" in caplog.text


def test_a_wish_may_be_a_date_and_pauses_grow():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (refusals._retry_after({"Retry-After": later}) or 0) <= 30
    first, later, last = (http_json._pause(tried, None) for tried in (0, 3, 20))
    assert first <= 0.5 < 3 <= later <= 4 < 6 <= last <= 8


@given(st.text(alphabet=st.characters(codec="latin-1")))
def test_no_header_breaks_the_pause(text):
    assert 0 < http_json._pause(0, refusals._retry_after({"Retry-After": text, "Retry-After-Ms": text})) <= 60


def test_an_endless_answer_is_cut_off_and_not_asked_for_again(server, monkeypatch):
    monkeypatch.setattr(http_json, "MAX_BYTES", 1 << 20)
    server.script = [answer("1" * (2 << 20))]
    with pytest.raises(BackendError, match="more than 1 MiB"):
        asked(server)
    assert len(server.asked()) == 1


def test_answers_nested_too_deeply_fail_the_request_alone(server):
    server.script = [answer("[" * 200_000)]
    with pytest.raises(BackendError, match="RecursionError"):
        asked(server)
    assert refusal(server, "[" * 200_000).code is None


@pytest.mark.parametrize(
    ("data", "told", "code"),
    [
        ({"error": {"message": "no", "code": "why"}}, "no", "why"),
        ({"error": "no"}, "no", None),
        ({"message": "no", "code": 400}, "no", 400),
        ({"detail": "no"}, "no", None),
        ({"detail": [{"msg": "no"}]}, "[{'msg': 'no'}]", None),
        ("<h1>no</h1>", "<h1>no</h1>", None),
        ([1], "[1]", None),
        ({}, "{}", None),
    ],
)
def test_what_a_server_writes_about_an_error_is_found(server, data, told, code):
    err = refusal(server, data)
    assert (str(err), err.code, err.status) == (told, code, 400)


def test_a_lost_answer_says_whether_the_server_was_reached(server):
    server.script = ["half"]
    with pytest.raises(ConnectionFailed) as half:
        asked(server, retries=0)
    assert (half.value.reached, half.value.silent) == (True, False)
    server.script = ["hang"]
    with pytest.raises(ConnectionFailed) as silent:
        asked(server, retries=0, timeout_s=0.05)
    assert (silent.value.reached, silent.value.silent) == (True, True)


def test_the_proxy_of_the_environment_is_used_except_where_it_is_told_not_to(server, monkeypatch):
    server.script = [OK]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def run():
        http = HttpJson("http://model.invalid/v1", {}, retries=0, timeout_s=5, connections=1)
        try:
            return await http.ask("POST", "http://model.invalid/v1/completions", {})
        finally:
            await http.close()

    assert asyncio.run(run()) == {"fine": True}
    assert server.seen[0][0] == "http://model.invalid/v1/completions"
    monkeypatch.setenv("no_proxy", "model.invalid")
    with pytest.raises(ConnectionFailed) as away:
        asyncio.run(run())
    assert not away.value.reached


def test_without_aiohttp_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"asking a server needs aiohttp.*pip install .*\[openai\]'"):
        HttpJson("http://x/v1", {}, retries=0, timeout_s=1, connections=1)
