set -euo pipefail
mkdir -p src
cat > src/migrate.py <<'PY'
"""Migrates a ledger from version 1 to version 2: in one transaction, so that a kill leaves the old or the new state."""

import re
import sqlite3
import sys
from datetime import date
from pathlib import Path

DAY = re.compile(r" *([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4}) *")
AMOUNT = re.compile(r" *([+-]?)([0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)(?:,([0-9]+))? *")
LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
OLD, NEW = {"accounts", "entries"}, {"account", "entry", "rejected"}
TABLES = (
    "CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE entry (id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL REFERENCES account(id),"
    " day TEXT NOT NULL, cents INTEGER NOT NULL, memo TEXT NOT NULL)",
    "CREATE TABLE rejected (id INTEGER PRIMARY KEY, reason TEXT NOT NULL)",
)


class Unfit(Exception):
    pass


def clean(text):
    return re.sub(" +", " ", text or "").strip(" ")


def read_day(text):
    found = DAY.fullmatch(text or "")
    if not found or int(found[3]) < 1900:
        return None
    try:
        return date(int(found[3]), int(found[2]), int(found[1])).isoformat()
    except ValueError:
        return None


def read_cents(text):
    found = AMOUNT.fullmatch(text or "")
    if not found or len(found[2]) > 100:
        return None
    fraction = (found[3] or "") + "00"
    cents = int(found[2].replace(".", "") + fraction[:2])
    rest = fraction[2:].rstrip("0")
    if rest and (rest[0] > "5" or (rest[0] == "5" and (len(rest) > 1 or cents % 2))):
        cents += 1
    if cents >= 2**63:
        return None
    return -cents if found[1] == "-" else cents


def accounts(db):
    """Return the new accounts by folded name, and the new id of each old one."""
    kept, merged = {}, {}
    for number, name in db.execute("SELECT id, name FROM accounts ORDER BY id"):
        if name := clean(name):
            merged[number] = kept.setdefault(name.translate(LOWER), (number, name))[0]
    return kept, merged


def migrate(db):
    kept, merged = accounts(db)
    entries, rejected, seen = [], [], set()
    for number, account, day, amount, memo in db.execute("SELECT * FROM entries ORDER BY id"):
        new = (merged.get(account), read_day(day), read_cents(amount), clean(memo))
        for value, reason in zip(new, ("no account", "bad day", "bad amount")):
            if value is None:
                rejected.append((number, reason))
                break
        else:
            if new in seen:
                rejected.append((number, "duplicate"))
            else:
                seen.add(new)
                entries.append((number, *new))
    for table in TABLES:
        db.execute(table)
    db.executemany("INSERT INTO account VALUES (?, ?)", kept.values())
    db.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", entries)
    db.executemany("INSERT INTO rejected VALUES (?, ?)", rejected)
    db.execute("DROP TABLE accounts")
    db.execute("DROP TABLE entries")
    db.execute("PRAGMA user_version = 2")


def main(path):
    if not path.is_file():
        raise Unfit("there is no such file")
    # rw: never create; the connection also rolls back what a killed run left behind
    db = sqlite3.connect(path.absolute().as_uri() + "?mode=rw", uri=True, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    made = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")}
    if (version, made) not in ((1, OLD), (2, NEW)):
        db.execute("ROLLBACK")
        raise Unfit("it is no ledger of version 1 or 2")
    if version == 1:
        migrate(db)
    db.execute("COMMIT")
    db.close()


try:
    main(Path(sys.argv[1]))
except (Unfit, sqlite3.DatabaseError) as error:
    print(f"migrate: {sys.argv[1]} cannot be migrated: {error}", file=sys.stderr)
    sys.exit(2)
PY
