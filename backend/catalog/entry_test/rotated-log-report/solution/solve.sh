set -euo pipefail
mkdir -p src
cat > src/report.py <<'PY'
import json
import os
import re
import sys
from datetime import datetime

NAME = re.compile(r"app\.log(?:\.([1-9][0-9]*))?")
LINE = re.compile(rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z) (DEBUG|INFO|WARN|ERROR) ([a-z0-9-]+): ([^\n]+)")


def parse(line):
    match = LINE.fullmatch(line)
    if not match:
        return None
    try:
        time = datetime.strptime(match[1].decode(), "%Y-%m-%dT%H:%M:%SZ")
        match[4].decode("utf-8")
    except ValueError:
        return None
    if match[1][17:19] > b"59":
        return None
    return time, match[2].decode(), match[3].decode()


def main(directory):
    ages = {}
    for name in os.listdir(directory):
        if match := NAME.fullmatch(name):
            ages[name] = int(match[1] or 0)
    levels = {"DEBUG": 0, "INFO": 0, "WARN": 0, "ERROR": 0}
    errors, times, damaged, repeats, last = {}, [], 0, 0, None
    for name in sorted(ages, key=ages.get, reverse=True):
        with open(os.path.join(directory, name), "rb") as file:
            for line in file.read().split(b"\n"):
                if not line:
                    continue
                found = parse(line)
                if found is None:
                    damaged += 1
                    continue
                if line == last:
                    repeats += 1
                    continue
                last = line
                time, level, service = found
                times.append(time)
                levels[level] += 1
                if level == "ERROR":
                    errors[service] = errors.get(service, 0) + 1
    times.sort()
    gaps = [int((b - a).total_seconds()) for a, b in zip(times, times[1:])]
    show = lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ")
    print(json.dumps({
        "lines": len(times), "damaged": damaged, "repeats": repeats, "levels": levels, "errors": errors,
        "first": show(times[0]) if times else None, "last": show(times[-1]) if times else None,
        "silence": max(gaps, default=0),
    }))


main(sys.argv[1])
PY
python3 src/report.py logs > report.json
