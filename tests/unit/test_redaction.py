"""Redaction of known secrets: every usual encoding, equal marks for equal secrets, and nothing else touched."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import auth
from backend.redaction import Redactor

pytestmark = pytest.mark.proves("redaction.known")

SECRET = 'p4ss/w"ör+d=secret&9'
REDACTOR = Redactor({"database-password": SECRET}, "key-of-this-test")


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        SECRET[::-1],
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
)
def test_a_known_secret_is_replaced_in_every_usual_form(form: str) -> None:
    shown = REDACTOR.text(f"before {form} after")
    assert form not in shown
    assert shown.startswith("before [redacted:database-password:")
    assert shown.endswith("] after")


@given(before=st.binary(max_size=9), after=st.binary(max_size=9), urlsafe=st.booleans())
def test_a_known_secret_inside_base64_is_replaced_wherever_it_begins(
    before: bytes, after: bytes, urlsafe: bool
) -> None:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    shown = REDACTOR.text(encode(before + SECRET.encode() + after).decode())
    assert "[redacted:database-password:" in shown


def test_equal_secrets_get_equal_marks_and_others_do_not() -> None:
    token, other = auth.mint(), auth.mint()
    shown = REDACTOR.text(f"{token} {token} {other}").split()
    assert shown[0] == shown[1] != shown[2]
    assert token[4:20] not in " ".join(shown)


def test_a_token_is_known_by_its_checksum_and_a_look_alike_stays() -> None:
    real = auth.mint()
    wrong = real[:-1] + ("a" if real[-1] != "a" else "b")
    assert auth.well_formed(real)
    assert not auth.well_formed(wrong)
    assert REDACTOR.text(wrong) == wrong


@pytest.mark.parametrize(
    "key", ["password", "API_KEY", "api-key", "Authorization", "Set-Cookie", "client_secret", "jwt"]
)
def test_a_field_whose_name_says_secret_is_replaced_whole(key: str) -> None:
    assert "hunter22" not in json.dumps(REDACTOR.value({"args": {key: "hunter22", "note": "fine"}}))


@pytest.mark.parametrize(
    "benign",
    [
        "9f2feb0f1ef425b292f2f94bc8482494df430413",
        "123e4567-e89b-12d3-a456-426614174000",
        "the author authored the keyboard of a monkey",
        "clb_short",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ],
)
def test_benign_look_alikes_stay_untouched(benign: str) -> None:
    assert REDACTOR.value({"output": benign, "author": benign}) == {"output": benign, "author": benign}


@given(
    st.recursive(
        st.text() | st.integers() | st.none() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_secret_is_found_at_any_depth_and_the_shape_stays(value: object) -> None:
    shown = REDACTOR.value({"outer": [value, SECRET]})
    assert SECRET not in json.dumps(shown, ensure_ascii=False)
    assert len(shown["outer"]) == 2
