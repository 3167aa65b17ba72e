"""Hidden checks: generated databases are migrated by the agent's program and dumped by a driver of ours."""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from clawbench_checks import PYTHON, Ran, Work, check, expect, same

Row = tuple[int, int | None, str | None, str | None, str | None]
Old = tuple[list[tuple[int, str | None]], list[Row]]
TABLES = {
    "account": ["id INTEGER 0 1", "name TEXT 1 0"],
    "entry": ["id INTEGER 0 1", "account_id INTEGER 1 0", "day TEXT 1 0", "cents INTEGER 1 0", "memo TEXT 1 0"],
    "rejected": ["id INTEGER 0 1", "reason TEXT 1 0"],
}
# both drivers run as the agent's user while no program of the agent's is alive
MAKE = """
import json, sqlite3, sys
version, accounts, entries, more = json.load(sys.stdin)
db = sqlite3.connect("book.db")
db.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT)")
db.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, account_id INTEGER, day TEXT, amount TEXT, memo TEXT)")
db.executemany("INSERT INTO accounts VALUES (?, ?)", accounts)
db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entries)
db.executescript(more + f"; PRAGMA user_version = {version}")
db.commit()
print("true")
"""
DUMP = """
import json, os, sqlite3
db = sqlite3.connect("book.db")
made = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_autoindex%' ORDER BY name"
kinds = db.execute(made).fetchall()
dump = {"version": db.execute("PRAGMA user_version").fetchone()[0], "kinds": kinds, "files": sorted(os.listdir("."))}
dump["check"] = db.execute("PRAGMA integrity_check").fetchall() + db.execute("PRAGMA foreign_key_check").fetchall()
dump["keys"] = [row[2:5] for row in db.execute("PRAGMA foreign_key_list(entry)")]
dump["unique"] = sum(row[2] for row in db.execute("PRAGMA index_list(account)"))
for table in ("account", "entry", "rejected"):
    columns = db.execute(f"PRAGMA table_info({table})").fetchall()
    dump[table] = [" ".join(str(row[n]) for n in (1, 2, 3, 5)) for row in columns]
    dump[table + " rows"] = db.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
print(json.dumps(dump))
"""


def clean(text: str | None) -> str:
    return re.sub(" +", " ", text or "").strip(" ")


def day_of(text: str | None) -> str | None:
    found = re.fullmatch(r" *([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4}) *", text or "")
    if not found or int(found[3]) < 1900:
        return None
    try:
        return date(int(found[3]), int(found[2]), int(found[1])).isoformat()
    except ValueError:
        return None


def cents_of(text: str | None) -> int | None:
    found = re.fullmatch(r" *([+-]?)([0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)(?:,([0-9]+))? *", text or "")
    if not found:
        return None
    with localcontext() as context:
        context.prec = 400
        value = Decimal(f"{found[1]}{found[2].replace('.', '')}.{found[3] or 0}") * 100
        cents = int(value.quantize(Decimal(1), ROUND_HALF_EVEN))
    return cents if abs(cents) < 2**63 else None


def migrated(old: Old) -> dict[str, object]:
    kept, merged = dict[str, tuple[int, str]](), dict[int | None, int]()
    for number, name in sorted(old[0]):
        if cleaned := clean(name):
            key = re.sub("[A-Z]", lambda found: found[0].lower(), cleaned)
            merged[number] = kept.setdefault(key, (number, cleaned))[0]
    entries, rejected, seen = list[list[object]](), list[list[object]](), set[tuple[object, ...]]()
    for number, account, day, amount, memo in sorted(old[1], key=lambda row: row[0]):
        new = (merged.get(account), day_of(day), cents_of(amount), clean(memo))
        reasons = (new[0] is None, "no account"), (new[1] is None, "bad day"), (new[2] is None, "bad amount")
        reason = next((word for wrong, word in (*reasons, (new in seen, "duplicate")) if wrong), None)
        if reason:
            rejected.append([number, reason])
        else:
            seen.add(new)
            entries.append([number, *new])
    return {"account rows": sorted(kept.values()), "entry rows": entries, "rejected rows": rejected}


NAMES = ["Rent", " rent", "RENT  ", "Club Ä", "club ä", "CLUB Ä", "a  b", "A b", "", "  ", None, "x\ty", "É", "é"]
DAYS = "1.2.2024|01.02.2024|29.2.2024|29.2.1900|31.12.1900| 9.9.1999 |9.9.99|٣.1.2024|1.2.1899|2024-01-02||31.4.2001"
FRACTIONS = "| |,5|,005|,015|,125|,995|,1250000000000000000000001|,1249999999999999999999999|,|.5"
WHOLES = "0|-0|7|+1.234|-12.345.678|1.23|0.123|1234.567|00012||- 3|--1|٣|1 000|" + "9" * 60
EDGES = "92233720368547758|-92233720368547758|92.233.720.368.547.758"
ODD = "92233720368547758,07|92233720368547758,075|-92233720368547758,08|1e3|1,2,3|5\n"
MEMOS = ["", None, "tea  and cake", " tea and cake", "Tea and cake", "it's", "ü", "\t", "a\0b"]


def book(work: Work, entries: int) -> Old:
    """A random ledger of version 1 that holds every trap of the instruction."""
    pick = work.random.choice
    ids = work.random.sample(range(1, 900), 30)
    accounts = [(number, pick([*NAMES, f"Own {number % 7}"])) for number in ids]
    days = DAYS.split("|") + [f"{pick(range(1, 32))}.{pick(range(1, 14))}.{pick(range(1895, 2030))}" for _ in range(20)]
    wholes = [*WHOLES.split("|"), *EDGES.split("|"), str(pick(range(10**6)))]
    amounts = [
        pick(["", "", " "]) + whole + pick(FRACTIONS.split("|")) for whole in wholes for _ in range(3)
    ] + ODD.split("|")

    def row(number: int) -> Row:
        return number, pick([*ids, *ids, None, 1000]), pick(days), pick(amounts), pick(MEMOS)

    return accounts, [row(number) for number in work.random.sample(range(1, entries * 3), entries)] if entries else []


def run(work: Work, scratch: Work, timeout: float = 15) -> Ran:
    return scratch.run([PYTHON, f"{work.root}/src/migrate.py", "book.db"], timeout=timeout)


def expect_migrated(scratch: Work, old: Old) -> None:
    dump = scratch.call(DUMP, None)
    expect(isinstance(dump, dict), "the database cannot be read")
    found = dump if isinstance(dump, dict) else {}
    facts = {"version": 2, "kinds": [["table", name] for name in sorted(TABLES)], "files": ["book.db"], **TABLES}
    facts |= {"check": [["ok"]], "keys": [["account", "account_id", "id"]], "unique": 1, **migrated(old)}
    for name, expected in facts.items():
        expect(same(found.get(name), expected), f"wrong after the migration: {name}")


@check("a database is migrated as the rules say")
def rules(work: Work) -> None:
    for entries in (0, 1, 40, 400, 1500, 1500):
        old = book(work, entries)
        with work.scratch() as scratch:
            scratch.call(MAKE, [1, *old, ""])
            run(work, scratch).ok()
            expect_migrated(scratch, old)


@check("a second run changes nothing")
def again(work: Work) -> None:
    old = book(work, 50)
    with work.scratch() as scratch:
        scratch.call(MAKE, [1, *old, ""])
        run(work, scratch).ok()
        before = scratch.read_bytes("book.db")
        run(work, scratch).ok()
        expect(scratch.read_bytes("book.db") == before, "a second run changed the database")
        expect_migrated(scratch, old)


@check("a killed migration can be repeated")
def killed(work: Work) -> None:
    old = book(work, 4000)
    for wait in (0.03, 0.06, 0.08, 0.1, 0.13, 0.17, 0.25):
        with work.scratch() as scratch:
            scratch.call(MAKE, [1, *old, ""])
            run(work, scratch, timeout=wait)
            run(work, scratch).ok()
            expect_migrated(scratch, old)


@check("100000 entries are migrated in time")
def large(work: Work) -> None:
    old = book(work, 100_000)
    with work.scratch() as scratch:
        scratch.call(MAKE, [1, *old, ""], timeout=30)
        run(work, scratch, timeout=15).ok()
        counts = scratch.call(
            "import sqlite3; print(sqlite3.connect('book.db').execute('SELECT count(*) FROM entry').fetchone()[0])",
            None,
        )
        expected = migrated(old)["entry rows"]
        expect(isinstance(expected, list) and counts == len(expected), "wrong number of entries in a large ledger")


@check("what is no ledger is refused and left alone")
def refused(work: Work) -> None:
    old = book(work, 20)
    version_2 = "DROP TABLE accounts; DROP TABLE entries; CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT)"
    cases = [
        (0, ""),
        (3, ""),
        (-1, ""),
        (1, "CREATE TABLE extra (x)"),
        (1, "DROP TABLE accounts"),
        (2, ""),
        (2, version_2),
    ]
    for version, more in cases:
        with work.scratch() as scratch:
            scratch.call(MAKE, [version, *old, more])
            expect_refused(work, scratch)
    for content in (b"no database at all, but text " * 50, b"SQLite format 3\0" + b"\xff" * 200):
        with work.scratch({"book.db": content}) as scratch:
            expect_refused(work, scratch)


def expect_refused(work: Work, scratch: Work) -> None:
    before = scratch.read_bytes("book.db")
    ran = run(work, scratch)
    expect(ran.code == 2 and ran.stderr, "an unfit database is not refused with status 2 and a message")
    expect(scratch.read_bytes("book.db") == before, "an unfit database was changed")


@check("a missing file is refused and not made")
def missing(work: Work) -> None:
    with work.scratch() as scratch:
        expect(run(work, scratch).code == 2, "a missing file is not refused with status 2")
        expect(scratch.run(["/usr/bin/find", ".", "-type", "f"]).ok().stdout == b"", "a missing file was made")
