"""Redaction of known secrets: exact values in every usual encoding, our own tokens by shape and checksum, key names.

These are the layers that can be proved; pattern rules for other people's secrets are run at publication. Equal secrets
get equal marks, `[redacted:name:7f3a]`, by a keyed hash, so that a reader sees that two are one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backend import auth

# Fields whose value is a secret by their name, whatever it looks like (after the lists that log scrubbers use).
_KEY_NAME = re.compile(
    r"passw(or)?d|secret|(?<![a-z])auth(orization)?(?![a-z])|credential|private[._ -]?key|api[._ -]?key|"
    r"(access|refresh|bearer|session)[._ -]?token|cookie|csrf|xsrf|(?<![a-z])jwt(?![a-z])",
    re.IGNORECASE,
)
_SHORTEST = 8


@dataclass(frozen=True)
class Redactor:
    """Takes known secrets out of text and of nested values. `known` maps a mark's name to the secret's value."""

    known: Mapping[str, str]
    key: str

    def text(self, value: str) -> str:
        """The text with every known secret and every well-formed token of ours replaced by its mark."""
        if self._pattern is not None:
            value = self._pattern.sub(lambda found: self._marks[found.group()], value)
        return auth.TOKEN.sub(self._token, value)

    def value(self, value: Any) -> Any:
        """The value with text redacted at every depth, and the whole of a field whose name says that it is secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._field(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value

    def _field(self, key: str, value: Any) -> Any:
        if isinstance(value, str) and value and _KEY_NAME.search(key):
            return self._mark("field", value)
        return self.value(value)

    def _token(self, found: re.Match[str]) -> str:
        return self._mark("clawbench-token", found.group()) if auth.well_formed(found.group()) else found.group()

    def _mark(self, name: str, secret: str) -> str:
        return f"[redacted:{name}:{hmac.new(self.key.encode(), secret.encode(), hashlib.sha256).hexdigest()[:4]}]"

    @cached_property
    def _marks(self) -> dict[str, str]:
        return {
            form: self._mark(name, secret)
            for name, secret in self.known.items()
            if len(secret) >= _SHORTEST
            for form in forms(secret)
        }

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        longest_first = sorted(self._marks, key=len, reverse=True)
        return re.compile("|".join(re.escape(form) for form in longest_first)) if longest_first else None


def forms(secret: str) -> Iterator[str]:
    """A secret as it may turn up: raw, in a URL, in JSON, in hex, reversed, and in base64 at each of three offsets."""
    raw = secret.encode()
    yield secret
    yield secret[::-1]
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield raw.hex()
    yield raw.hex().upper()
    for offset in range(3):
        # The characters at both ends depend on the neighbours, so only those in between are the secret's own.
        first = (8 * offset + 5) // 6 if offset else 0
        last = (8 * (offset + len(raw))) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\x00" * offset + raw + b"\x00" * 3).decode()[first:last]
