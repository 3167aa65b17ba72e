"""Who is asking: accounts, tokens and browser sessions. A token's value is its holder's; we keep a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from backend import db
from backend.errors import InsufficientScope, InvalidArgument, Unauthenticated
from backend.models import Account, Audit
from backend.words import ROLES

SCOPES = ("read", "run", "worker")
_ALPHABET = string.digits + string.ascii_letters
_BODY = 43
_SUM = 6
TOKEN = re.compile(rf"clb_[0-9A-Za-z]{{{_BODY + _SUM}}}")
_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An account and the credential by which it came."""

    account_id: str
    name: str
    role: str
    token_id: str
    scopes: frozenset[str]

    def require(self, scope: str) -> None:
        """Raises InsufficientScope unless the credential carries the scope."""
        if scope not in self.scopes:
            raise InsufficientScope(f"It needs the scope `{scope}`.")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A new credential; `value` is shown once and never stored."""

    value: str
    id: str
    expires_at: datetime


def mint() -> str:
    """Make a token's value: `clb_`, 256 random bits, and a checksum that lets redaction recognise it without error."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_BODY))
    return f"clb_{body}{_checksum(body)}"


def well_formed(value: str) -> bool:
    """Whether the text is a token of ours by shape and checksum."""
    return bool(TOKEN.fullmatch(value)) and value.endswith(_checksum(value[4 : 4 + _BODY]))


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_SUM):
        number, rest = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[rest]
    return digits


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()


async def account(tx: db.Tx, name: str, *, role: str | None = None, actor: str = "cli") -> Account:
    """Give the account of that name, making it (participant unless `role` says else); an existing one gets the role."""
    if not _ACCOUNT_NAME.fullmatch(name):
        raise InvalidArgument(
            "A user name is 1 to 64 letters, digits, dots, @, - and _, and begins with a letter or digit."
        )
    if role is not None and role not in ROLES:
        raise InvalidArgument(f"A role is one of {', '.join(ROLES)}.")
    values = {"id": f"usr_{secrets.token_hex(8)}", "name": name, "role": role or "participant"}
    made = await db.run(
        tx, "INSERT INTO account (id, name, role) VALUES (:id, :name, :role) ON CONFLICT (name) DO NOTHING", values
    )
    if not made and role is not None:
        await db.run(tx, "UPDATE account SET role = :role WHERE name = :name", values)
    if made or role is not None:
        tx.add(
            Audit(actor=actor, action="account.set", subject=name, detail={"role": values["role"], "made": bool(made)})
        )
    row = await db.one(tx, "SELECT id, name, role FROM account WHERE name = :name", values)
    assert row is not None
    return Account(id=row.id, name=row.name, role=row.role)


async def issue(
    tx: db.Tx, owner: Account, scopes: frozenset[str], *, ttl: timedelta, kind: str = "api", actor: str = "cli"
) -> IssuedToken:
    """Give the account a new credential."""
    if unknown := scopes - set(SCOPES):
        raise InvalidArgument(f"Unknown scope {', '.join(sorted(unknown))}; scopes are {', '.join(SCOPES)}.")
    value = mint()
    values = {
        "id": f"tok_{secrets.token_hex(8)}",
        "account": owner.id,
        "hash": _hash(value),
        "kind": kind,
        "scopes": " ".join(sorted(scopes)),
        "ttl": ttl,
    }
    row = await db.one(
        tx,
        "INSERT INTO token (id, account_id, hash, kind, scopes, expires_at) "
        "VALUES (:id, :account, :hash, :kind, :scopes, now() + :ttl) RETURNING expires_at",
        values,
    )
    assert row is not None
    tx.add(Audit(actor=actor, action=f"token.{kind}", subject=owner.name, detail={"token_id": values["id"]}))
    return IssuedToken(value=value, id=values["id"], expires_at=row.expires_at)


async def who(tx: db.Tx, value: str, *, kinds: tuple[str, ...] = ("api",)) -> Principal:
    """Say who holds this credential. Raises Unauthenticated for anything but a live one of these kinds."""
    if not well_formed(value):
        raise Unauthenticated()
    row = await db.one(
        tx,
        "SELECT t.id, t.scopes, a.id AS account_id, a.name, a.role FROM token t JOIN account a ON a.id = t.account_id "
        "WHERE t.hash = :hash AND t.kind = ANY(:kinds) AND t.revoked_at IS NULL AND t.expires_at > now()",
        {"hash": _hash(value), "kinds": list(kinds)},
    )
    if row is None:
        raise Unauthenticated()
    return Principal(
        account_id=row.account_id,
        name=row.name,
        role=row.role,
        token_id=row.id,
        scopes=frozenset(row.scopes.split()),
    )


async def sign_in(tx: db.Tx, value: str) -> IssuedToken:
    """Trade a one-time link (used up by this) or an API token for a browser session that may read, for 12 hours."""
    principal = await who(tx, value, kinds=("api", "link"))
    principal.require("read")
    # One statement claims the link, so that two browsers cannot both use it.
    claimed = await db.one(
        tx,
        "UPDATE token SET revoked_at = CASE WHEN kind = 'link' THEN now() END "
        "WHERE id = :id AND revoked_at IS NULL RETURNING id",
        {"id": principal.token_id},
    )
    if claimed is None:
        raise Unauthenticated()
    owner = Account(id=principal.account_id, name=principal.name, role=principal.role)
    return await issue(tx, owner, frozenset({"read"}), ttl=timedelta(hours=12), kind="session", actor=principal.name)


async def revoke(tx: db.Tx, value: str) -> None:
    """End a credential at once; ending what is not there is no error."""
    await db.run(tx, "UPDATE token SET revoked_at = now() WHERE hash = :h AND revoked_at IS NULL", {"h": _hash(value)})
