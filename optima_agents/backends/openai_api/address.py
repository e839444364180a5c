"""Address: where a server is, from ``BASE_URL[#MODEL]``; nothing secret may be in it, for it is shown and logged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urldefrag, urlsplit

SECRET_NAME = re.compile(r"key|token|secret|sig|pass|pwd|auth|cred|code|jwt|bearer|session|access", re.IGNORECASE)
# how providers begin their keys; or a long run of letters and digits with both in it
SECRET_VALUE = re.compile(
    r"^(sk|pk|rk|hf|gsk|r8|xai|nvapi|AIza|ghp|pat|eyJ)[-_A-Za-z0-9]{8,}"
    r"|^(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_\-.~+/=]{32,}$"
)


@dataclass(frozen=True, slots=True)
class Address:
    """``base`` without a slash at its end, ``query`` as given (``api-version=...``), ``model`` if one is named."""

    base: str
    query: str = ""
    model: str | None = None

    @classmethod
    def of(cls, text: str, key_env: str) -> Address:
        """Raises ValueError, which never repeats the secret, for no URL, a password, or what looks like a key."""
        whole, model = urldefrag(text)
        try:
            parts = urlsplit(whole)
            host = parts.hostname
            sound = host is not None and parts.scheme in ("http", "https") and parts.port != 0
        except ValueError:  # a port that is no number, say
            parts, host, sound = urlsplit(""), None, False
        if not sound:
            raise ValueError("an openai backend needs a base URL, such as openai:http://localhost:8000/v1")
        way_out = f"please: put the key into ${key_env}"
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"no password in the URL of {host}, {way_out}")
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if SECRET_NAME.search(name) or SECRET_VALUE.search(value):
                raise ValueError(f"no key in the URL of {host}, {way_out} (the query has something called one)")
        if any(SECRET_VALUE.search(step) for step in parts.path.split("/")):
            raise ValueError(f"no key in the URL of {host}, {way_out} (a part of its path looks like one)")
        base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        return cls(base, parts.query, model or None)

    def url(self, path: str) -> str:
        """The address of ``path`` on this server."""
        return self.whole(self.base + path)

    def tokens_url(self) -> str:
        """vLLM's token endpoint, which is beside ``/v1``."""
        return self.whole(f"{self.base.removesuffix('/v1')}/inference/v1/generate")

    def whole(self, url: str) -> str:
        return f"{url}?{self.query}" if self.query else url
