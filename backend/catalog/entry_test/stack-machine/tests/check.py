"""Hidden checks: programs are run by the agent's machine and by a plain one of our own (machine.py beside this)."""

from __future__ import annotations

from clawbench_checks import PYTHON, Ran, Work, check, expect
from machine import PURE, simulate

LIMIT = 20.0
WRONG = (
    "psuh 1|PUSH 1|push|push 1 2|add 1|jmp|jmp nowhere|push nowhere|jmp 99|jz -1|call 0x99|push 2147483648|"
    "push -2147483649|push 0x100000000|push 0x|push -0x1|push +1|push 1_0|push ''|push 'ab'|push ' '|"
    "push '\xe9'|push \u0661|a:b: pop|1a: pop|: pop|ok: pop|pick -1|pick 1000|pick ok|pick|push 1,|pop:pop|"
    "jmp ok:|halt ok|push '''|a-b: pop|load 5|putc\xa0"
)

SIEVE = """
        push 2
outer:  dup
        push $SIZE
        lt
        jz out ; all numbers were looked at
        dup
        load
        jnz skip
        dup
        putn
        push 32
        putc
        dup
mark:   over
        add
        dup
        push $SIZE
        lt
        jz enough
        dup
        push 1
        swap
        store
        jmp mark
enough: pop
skip:   push 1
        add
        jmp outer
out:    push table
        calls
        exit
table:  push $VALUE
        push 3
        rot ; underflow unless the 2 is still there
        mod
        ret"""


def run(work: Work, program: str, data: bytes = b"", timeout: float = 10.0) -> Ran:
    with work.scratch({"program.asm": program.encode()}) as scratch:
        return scratch.run([PYTHON, f"{work.root}/src/machine.py", "program.asm"], stdin=data, timeout=timeout)


def compare(work: Work, what: str, program: str, data: bytes = b"") -> None:
    code, output, where = simulate(program, data)
    ran = run(work, program, data)
    expect(ran.code == code, f"{what}: wrong exit status {ran.code}")
    expect(ran.stdout == output, f"{what}: wrong output")
    expect(ran.stderr.startswith(where.encode()), f"{what}: standard error does not begin as it must")


def value(work: Work) -> int:
    edges = (0, 1, -1, 2, 31, 32, -(2**31), 2**31 - 1, 255, 4095, 4096)
    return work.random.choice((*edges, work.random.randint(-50, 50), work.random.randint(-(2**31), 2**31 - 1)))


def written(work: Work, number: int) -> str:
    forms = [str(number), str(number), hex(number % 2**32), f"0x{number % 2**32:010X}"]
    forms += [f"'{chr(number)}'"] if 33 <= number <= 126 and chr(number) not in "';" else []
    return work.random.choice(forms)


@check("every operation is right")
def operations(work: Work) -> None:
    for name, (pops, function) in sorted(PURE.items()):
        lines = list[str]()
        for _ in range(25):
            operands = [value(work) for _ in range(pops)]
            if name in ("div", "mod") and operands[-1] == 0:
                continue
            lines += [f"push {written(work, operand)}" for operand in (7, *operands)] + [name]
            lines += ["putn", "push '/'", "putc"] * (1 + len(function(*operands)))
        compare(work, name, "\n".join(lines))


def step(work: Work, at: int, length: int) -> str:
    """A random instruction; most of them jump forward, so that programs end."""
    random = work.random
    ahead = random.randint(at + 1, length)
    kinds = [f"push {written(work, value(work))}"] * 3 + [random.choice(sorted(PURE))] * 3
    kinds += [f"pick {random.randrange(4)}", "putn", "putc", "getc", "getn", f"push {random.randrange(8)}\nload"]
    kinds += [
        f"push {random.randrange(8)}\nstore",
        f"jz {ahead}",
        f"jnz l{ahead}",
        f"jmp {ahead}",
        f"push l{ahead}\npop",
    ]
    kinds += [random.choice(("load", "store", "calls", "ret", "halt", "exit"))] if random.random() < 0.15 else []
    return random.choice(kinds)


@check("random programs run as they must")
def fuzz(work: Work) -> None:
    for number in range(120):
        length, lines = work.random.choice((5, 20, 60)), [f"push {written(work, value(work))}" for _ in range(6)]
        body = [step(work, at, length) for at in range(length)]
        lines += [f"l{at}: {text} ; {at}" for at, text in enumerate(body)] + [f"l{length}:"]
        data = work.random.choice((b"", b"12 -7 x", bytes(work.random.randrange(256) for _ in range(9)), b"-\n- 5"))
        # a jump by number may go back: a program that does not end soon is left out
        if simulate("\n".join(lines), data, limit=5_000)[0] != 70:
            compare(work, f"random program {number}", "\n".join(lines), data)


@check("input is read exactly")
def reading(work: Work) -> None:
    loop = "again: getn\nputn\npush ','\nputc\nputn\npush 10\nputc\ngetc\ndup\nputn\npush -1\neq\njz again\nhalt"
    odd = [
        b"",
        b"  ",
        b"5",
        b"-",
        b"--4",
        b"- 4",
        b"007",
        b"4294967297 -2147483649",
        b"12a-3",
        b"\t\r\n 9\v8",
        b"1\xff2\x00",
    ]
    for given in [*odd, " ".join(str(value(work)) for _ in range(20)).encode()]:
        compare(work, "reading input", loop, given)


@check("stacks and calls have their limits")
def limits(work: Work) -> None:
    depth = work.random.randint(995, 1003)
    down = "f: push 1\nsub\ndup\njz end\ncall f\nend: push '!'\nputc\nret"
    compare(work, "deep calls", f"push {depth}\ncall f\nputn\nhalt\n{down}")
    for count in (999, 1000, 1001):
        compare(work, "a full stack", "\n".join(["push 1"] * count + ["putn"]))
    full = "\n".join(["push 3"] * 1000) + "\n"
    for last in (
        "dup",
        "over",
        "getc",
        "getn",
        "pick 5",
        "pick 999",
        "swap",
        "add",
        "load",
        "push 1",
        "calls",
        "rot",
        "jz 3",
    ):
        compare(work, f"{last} on a full stack", f"{full}{last}\nputn", b"5 6")
    compare(work, "getn with room for one", "\n".join(["push 3"] * 999) + "\ngetn", b"5")
    for last in ("ret", "pop", "dup", "swap", "rot", "pick 0", "store", "div", "putn", "exit", "jz 3", "calls", "load"):
        for before in ("", "push 0\n", "push -1\n", "push 0\npush 5000\n"):
            compare(work, f"{last} with few values", f"push 'a'\nputc\n{before}{last}")


@check("programs with subroutines and memory run")
def programs(work: Work) -> None:
    count = work.random.randint(5, 40)
    compare(work, "a sieve", SIEVE.replace("$SIZE", str(count * 10)).replace("$VALUE", str(value(work))))
    compare(work, "labels", "a: b: c:\n\n ; only a remark\nd:\tpush a\npush d\nadd\nputn\njmp e\nhalt: halt\ne:")
    compare(work, "no program", "; nothing\n")
    compare(work, "the end", "jmp 1")
    echo = "g: getc\ndup\npush -1\neq\njnz e\nputc\njmp g\ne: pop\npush 300\nexit"
    compare(work, "bytes", echo, bytes(range(256)))


@check("faults in the text are found before anything runs")
def faults(work: Work) -> None:
    for text in WRONG.split("|"):
        before = [f"n{n}: push {n} ; fine" for n in range(work.random.randrange(4))]
        lines = ["ok: push 33", "putc", *before, text, "jmp ok", "pop ; fine", "never 1"]
        compare(work, f"the line {text!r}", "\n".join(lines))
    compare(work, "the first fault", "push 1\njmp later\nbad\nlater: pop\nlater: pop")
    compare(work, "a label defined twice", "x: pop\njmp y\nx: pop\ny: halt\nx:")


@check("five million instructions run in time, and no more")
def long(work: Work) -> None:
    rounds = 1_249_998 - work.random.randrange(1000)
    loop = f"push 42\nputn\npush {rounds}\nagain: push 1\nsub\ndup\njnz again\npop\n"
    spare = 5_000_000 - (4 + 4 * rounds)
    for more, code in ((spare, 0), (spare + 1, 70)):
        program = loop + "push 1\npop\n" * (more // 2) + "push 1\n" * (more % 2)
        ran = run(work, program, timeout=LIMIT)
        expect(ran.code == code and ran.stdout == b"42", f"a long program: wrong exit status {ran.code}")
