set -euo pipefail
cat > src/next.sh <<'SH'
#!/bin/bash
# Hands out the next ticket numbers: bash next.sh FILE [COUNT]
exec python3 -I "$(dirname -- "${BASH_SOURCE[0]}")/counter.py" "$@"
SH
cat > src/counter.py <<'PY'
"""Reserves numbers of a counter file: under a lock of the kernel's, which a killed process lets go by itself."""

import fcntl
import os
import re
import sys

HELD = re.compile(rb"(0|[1-9][0-9]{0,17})\n")
COUNT = re.compile("[1-9][0-9]{0,2}|1000")
MOST = 10**18 - 1


def refuse(message):
    print(f"next.sh: {message}", file=sys.stderr)
    sys.exit(3)


def reserve(path, count):
    """Take the numbers first, so that a kill can lose but never repeat them; return the last one before."""
    lock = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with open(path, "rb") as file:
            held = file.read(64)
    except FileNotFoundError:
        held = b"0\n"
    found = HELD.fullmatch(held)
    if not found or int(held) + count > MOST:
        refuse(f"{path!r} does not hold a usable number; repair it or remove it")
    # one name for all, written under the lock: what a killed call left is overwritten by the next
    draft = path + ".new"
    with open(draft, "wb") as file:
        file.write(b"%d\n" % (int(held) + count))
    os.replace(draft, path)
    return int(held)


def main(arguments):
    if len(arguments) not in (1, 2) or not arguments[0]:
        refuse("give FILE and, if you want, COUNT")
    if len(arguments) == 2 and not COUNT.fullmatch(arguments[1]):
        refuse("COUNT is a number from 1 to 1000")
    count = int(arguments[1]) if len(arguments) == 2 else 1
    last = reserve(arguments[0], count)
    sys.stdout.write("".join(f"{last + n}\n" for n in range(1, count + 1)))


main(sys.argv[1:])
PY
