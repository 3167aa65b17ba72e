"""Some of what the package must do; run with: python3 tests/visible.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import hours

CASES = [
    ("two days", lambda: hours.parse("Mo,We 09:00-12:00"), [(540, 720), (3420, 3600)]),
    ("a final semicolon", lambda: hours.parse("Mo 09:00-12:00;"), [(540, 720)]),
    ("over midnight", lambda: hours.render(hours.parse("Mo 22:00-02:00")), "Mo 22:00-24:00; Tu 00:00-02:00"),
    ("touching spans", lambda: hours.tidy([(10, 20), (20, 30)]), [(10, 30)]),
    ("a span within another", lambda: hours.tidy([(10, 90), (20, 30)]), [(10, 90)]),
    ("the end is not open", lambda: hours.is_open([(10, 20)], 20), False),
    ("the next change", lambda: hours.next_change([(10, 20)], 25), 10065),
]

failed = 0
for name, run, expected in CASES:
    try:
        found = run()
    except Exception as error:
        found = repr(error)
    if found != expected:
        failed += 1
        print(f"{name}: expected {expected!r}, found {found!r}")
print(f"{len(CASES) - failed} of {len(CASES)} passed")
sys.exit(1 if failed else 0)
