"""Hidden checks: the report names the commit, and the repaired module does what the README says."""

from __future__ import annotations

from clawbench_checks import Work, check, expect, same

UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
REPORT = {
    "commit": "7cbbe40bfff72be4708b35f50de8da3446929992",
    "author": "bea@example.org",
    "earlier_repair": "8ea2d6d905ffa59fe8abf52051ed26ad99384377",
}
DRIVER = """
import json, sys
sys.path.insert(0, "src")
import durations
answers = []
for name, arguments in json.load(sys.stdin):
    try:
        answers.append([getattr(durations, name)(*arguments)])
    except ValueError:
        answers.append("ValueError")
print(json.dumps(answers))
"""


def compare(work: Work, cases: list[tuple[str, list[object], object]]) -> None:
    answers = work.call(DRIVER, [case[:2] for case in cases])
    expect(isinstance(answers, list) and len(answers) == len(cases), "the module did not answer every call")
    for (name, arguments, expected), answer in zip(cases, answers if isinstance(answers, list) else [], strict=True):
        expect(same(answer, expected), f"{name} is wrong for an argument of {len(str(arguments))} characters")


def length(work: Work) -> tuple[str, int]:
    """A random text without a sign, and its seconds."""
    units = [unit for unit in UNITS if work.random.random() < 0.5] or ["m"]
    parts = [(work.random.choice((0, 7, 60, work.random.randrange(5000))), unit) for unit in units]
    text = "".join(f"{number:0{work.random.choice((1, 3))}}{work.random.choice((u, u.upper()))}" for number, u in parts)
    return text, sum(number * UNITS[unit] for number, unit in parts)


def rendered(seconds: int, most: int = 5) -> str:
    parts, left = list[str](), abs(seconds)
    for unit, size in UNITS.items():
        parts += [f"{left // size}{unit}"] if left >= size else []
        left %= size
    return ("-" if seconds < 0 else "") + ("".join(parts[:most]) or "0s")


@check("report.json names the commits and the author")
def report(work: Work) -> None:
    expect(same(work.read_json("report.json"), REPORT), "report.json is not right")


@check("signs count for the whole text")
def signs(work: Work) -> None:
    cases: list[tuple[str, list[object], object]] = [("parse", ["-1h30m"], [-5400])]
    for _ in range(60):
        text, seconds = length(work)
        cases += [
            ("parse", [f"-{text}"], [-seconds]),
            ("parse", [f" +{text}  "], [seconds]),
            ("parse", [text], [seconds]),
        ]
    compare(work, cases)


@check("what is no length of time is refused")
def refused(work: Work) -> None:
    wrong = [
        "",
        "  ",
        "-",
        "+",
        "h",
        "1",
        "1h30",
        "1h 30m",
        "--1h",
        "+-1h",
        "- 1h",
        "1h-30m",
        "1h+30m",
        "-1h-30m",
        "+1h+3m",
    ]
    wrong += ["30m1h", "1h1h", "1h2H", "1.5h", "1x", "1h30m-", "1h,30m", "1_0h", "-1h30", "\u0661h", "1hm"]
    compare(work, [("parse", [text], "ValueError") for text in wrong])


@check("lengths are written and added up")
def written(work: Work) -> None:
    cases: list[tuple[str, list[object], object]] = [("render", [0], ["0s"]), ("total", [[]], ["0s"])]
    for _ in range(40):
        seconds, most = work.random.choice((-1, 1)) * work.random.randrange(10**7), work.random.randint(1, 5)
        cases += [("render", [seconds], [rendered(seconds)]), ("render", [seconds, most], [rendered(seconds, most)])]
        lengths = [(work.random.choice((-1, 1)), *length(work)) for _ in range(work.random.randrange(5))]
        texts = [("-" if sign < 0 else "") + text for sign, text, _ in lengths]
        cases.append(("total", [texts], [rendered(sum(sign * seconds for sign, _, seconds in lengths))]))
    compare(work, cases)
