"""A plain machine of our own, to compare with; it is made for being right, not for being fast."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

NAME = "[A-Za-z_][A-Za-z0-9_]*"
END = 5_000_000


class Stop(Exception):
    """The run ends with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def wrap(number: int) -> int:
    return (number + 2**31) % 2**32 - 2**31


def quotient(a: int, b: int) -> int:
    if b == 0:
        raise Stop(67)
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


PURE: dict[str, tuple[int, Callable[..., Sequence[int]]]] = {
    "pop": (1, lambda a: ()),
    "dup": (1, lambda a: (a, a)),
    "swap": (2, lambda a, b: (b, a)),
    "over": (2, lambda a, b: (a, b, a)),
    "rot": (3, lambda a, b, c: (b, c, a)),
    "add": (2, lambda a, b: (a + b,)),
    "sub": (2, lambda a, b: (a - b,)),
    "mul": (2, lambda a, b: (a * b,)),
    "div": (2, lambda a, b: (quotient(a, b),)),
    "mod": (2, lambda a, b: (a - b * quotient(a, b),)),
    "and": (2, lambda a, b: (a & b,)),
    "or": (2, lambda a, b: (a | b,)),
    "xor": (2, lambda a, b: (a ^ b,)),
    "not": (1, lambda a: (~a,)),
    "shl": (2, lambda a, b: (a << b % 32,)),
    "shr": (2, lambda a, b: (a >> b % 32,)),
    "eq": (2, lambda a, b: (int(a == b),)),
    "lt": (2, lambda a, b: (int(a < b),)),
    "gt": (2, lambda a, b: (int(a > b),)),
}
POPS = {"load": 1, "store": 2, "jz": 1, "jnz": 1, "calls": 1, "putc": 1, "putn": 1, "exit": 1}
BARE = {*PURE, "load", "store", "calls", "ret", "getc", "getn", "putc", "putn", "halt", "exit"}
TARGET = {"jmp", "jz", "jnz", "call"}


def number_of(word: str) -> int | None:
    if re.fullmatch("-?[0-9]+", word):
        number = int(word)
    elif re.fullmatch("0x[0-9a-fA-F]+", word):
        number = int(word, 16) if int(word, 16) < 2**32 else 2**32
        number = number - 2**32 if 2**31 <= number < 2**32 else number
    elif re.fullmatch("'[!-~]'", word) and word[1] not in "';":
        number = ord(word[1])
    else:
        return None
    return number if -(2**31) <= number < 2**31 else None


def assemble(text: str) -> list[tuple[str, int]] | int:
    """Give the instructions, or the number of the first line with an error."""
    labels, found, bad = dict[str, int](), list[tuple[int, str, list[str]]](), set[int]()
    for line, content in enumerate(text.split("\n"), 1):
        words = [word for word in re.split("[ \t]+", content.split(";")[0]) if word]
        bad |= set() if content.isascii() else {line}
        while words and re.fullmatch(f"{NAME}:", words[0]):
            name = words.pop(0)[:-1]
            bad |= {line} if name in labels else set()
            labels.setdefault(name, len(found))
        if words:
            found.append((line, words[0], words[1:]))
    program = list[tuple[str, int]]()
    for line, name, operands in found:
        operand = 0
        if name in TARGET | {"push", "pick"} and len(operands) == 1:
            value = number_of(operands[0])
            value = labels.get(operands[0]) if value is None and name != "pick" else value
            high = {"push": 2**31 - 1, "pick": 999}.get(name, len(found))
            bad |= {line} if value is None or value > high or (name != "push" and value < 0) else set()
            operand = value or 0
        elif name not in BARE or operands:
            bad.add(line)
        program.append((name, operand))
    return min(bad) if bad else program


class Machine:
    """One run of a program."""

    def __init__(self, program: list[tuple[str, int]], data: bytes) -> None:
        self.program, self.data, self.output = program, data, bytearray()
        self.stack, self.calls, self.memory, self.at = list[int](), list[int](), [0] * 4096, 0

    def run(self, limit: int) -> int:
        for done in range(limit + 1):
            if self.at == len(self.program):
                return 0
            if done == limit:
                return 70
            name, operand = self.program[self.at]
            try:
                self.step(name, operand)
            except Stop as stop:
                return stop.status
        return 70

    def step(self, name: str, operand: int) -> None:
        pops, function = PURE.get(name, (POPS.get(name, 0), None))
        needed = operand + 1 if name == "pick" else pops
        if len(self.stack) < needed or (name == "ret" and not self.calls):
            raise Stop(65)
        taken = self.stack[len(self.stack) - pops :] if pops else []
        pushed = function(*taken) if function else self.effect(name, operand, taken)
        self.at += 1
        if len(self.stack) - pops + len(pushed) > 1000 or (name in ("call", "calls") and len(self.calls) == 1000):
            self.at -= 1
            raise Stop(66)
        del self.stack[len(self.stack) - pops :]
        self.stack += map(wrap, pushed)
        self.move(name, operand, taken)

    def effect(self, name: str, operand: int, taken: list[int]) -> Sequence[int]:
        """Give what is pushed, after all that can go wrong but a full stack."""
        if name in ("load", "store") and not 0 <= taken[-1] < 4096:
            raise Stop(68)
        if name == "calls" and not 0 <= taken[0] <= len(self.program):
            raise Stop(69)
        if name == "getc":
            return (self.data[0] if self.data else -1,)
        if name == "getn":
            found = re.match(rb"[ \t\r\n]*(-?[0-9]+)", self.data)
            return (int(found[1]), 1) if found else (0, 0)
        values = {
            "push": lambda: operand,
            "pick": lambda: self.stack[-1 - operand],
            "load": lambda: self.memory[taken[0]],
        }
        return (values[name](),) if name in values else ()

    def move(self, name: str, operand: int, taken: list[int]) -> None:
        """What an instruction does besides the data stack, once nothing can go wrong any more."""
        if name == "getc":
            self.data = self.data[1:]
        elif name == "getn":
            found = re.match(rb"[ \t\r\n]*(-?[0-9]+)?", self.data)
            self.data = self.data[found.end() if found else 0 :]
        elif name == "store":
            self.memory[taken[1]] = taken[0]
        elif name in ("putc", "putn"):
            self.output += bytes([taken[0] % 256]) if name == "putc" else str(taken[0]).encode()
        elif name == "jmp" or (name == "jz" and taken[0] == 0) or (name == "jnz" and taken[0] != 0):
            self.at = operand
        elif name in ("call", "calls"):
            self.calls.append(self.at)
            self.at = operand if name == "call" else taken[0]
        elif name == "ret":
            self.at = self.calls.pop()
        elif name in ("halt", "exit"):
            self.at -= 1
            raise Stop(taken[0] % 256 if taken else 0)


def simulate(text: str, data: bytes, limit: int = END) -> tuple[int, bytes, str]:
    """Give the exit status, the output, and how standard error begins ("" when it does not matter)."""
    program = assemble(text)
    if isinstance(program, int):
        return 64, b"", f"line {program}:"
    machine = Machine(program, data)
    status = machine.run(limit)
    ended = machine.at == len(program) or (program[machine.at][0] in ("halt", "exit") and status not in (65, 70))
    return status, bytes(machine.output), "" if ended else f"at {machine.at}:"
