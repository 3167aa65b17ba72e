set -euo pipefail
mkdir -p src
cat > src/machine.py <<'PY'
"""The stack machine: assemble(text) checks and translates a program, run(code, data) executes it."""

import re
import sys

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLAIN = "pop dup swap over rot add sub mul div mod and or xor not shl shr eq lt gt load store calls ret getc getn putc putn halt exit"
NUMBER = re.compile(rb"-?[0-9]+")
LIMIT = 5_000_000


class Fault(Exception):
    pass


def number(word):
    if re.fullmatch(r"-?[0-9]+", word, re.ASCII):
        value = int(word)
    elif re.fullmatch(r"0x[0-9A-Fa-f]+", word):
        value = int(word, 16)
        if value > 0xFFFFFFFF:
            return None
        if value > 0x7FFFFFFF:
            value -= 1 << 32
    elif len(word) == 3 and word[0] == word[2] == "'" and "!" <= word[1] <= "~" and word[1] not in "';":
        value = ord(word[1])
    else:
        return None
    return value if -(1 << 31) <= value < 1 << 31 else None


def assemble(text):
    labels, lines, errors = {}, [], []
    for n, line in enumerate(text.split("\n"), 1):
        if not line.isascii():
            errors.append(n)
        words = line.partition(";")[0].replace("\t", " ").split(" ")
        words = [word for word in words if word]
        while words and words[0].endswith(":") and NAME.fullmatch(words[0][:-1]):
            label = words.pop(0)[:-1]
            if label in labels:
                errors.append(n)
            else:
                labels[label] = len(lines)
        if words:
            lines.append((n, words))
    code = []
    for n, (name, *operands) in lines:
        if name in PLAIN.split():
            ok, operand = not operands, 0
        elif name in ("push", "pick", "jmp", "jz", "jnz", "call") and len(operands) == 1:
            operand = number(operands[0])
            if operand is None and name != "pick":
                operand = labels.get(operands[0])
            most = 999 if name == "pick" else len(lines)
            ok = operand is not None and (name == "push" or 0 <= operand <= most)
        else:
            ok, operand = False, 0
        if not ok:
            errors.append(n)
        code.append((name, operand))
    if errors:
        print(f"line {min(errors)}: this is not an instruction of the machine", file=sys.stderr)
        sys.exit(64)
    return code


def divide(a, b):
    if b == 0:
        raise Fault(67)
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


BINARY = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": divide, "mod": lambda a, b: a - b * divide(a, b),
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << (b & 31), "shr": lambda a, b: a >> (b & 31),
    "eq": lambda a, b: int(a == b), "lt": lambda a, b: int(a < b), "gt": lambda a, b: int(a > b),
}
NEEDS = {"pop": 1, "dup": 1, "swap": 2, "over": 2, "rot": 3, "not": 1, "load": 1, "store": 2, "jz": 1, "jnz": 1,
         "calls": 1, "putc": 1, "putn": 1, "exit": 1, **dict.fromkeys(BINARY, 2)}
GROWS = {"dup": 1, "over": 1, "push": 1, "pick": 1, "getc": 1, "getn": 2}


def run(code, data, out):
    """Run to the end; returns (status, address of the fault or None)."""
    stack, calls, memory, at, pos, end = [], [], [0] * 4096, 0, 0, len(code)
    code = [(name, operand, operand + 1 if name == "pick" else NEEDS.get(name, 0), 1000 - GROWS.get(name, 0), BINARY.get(name))
            for name, operand in code]
    pop, push = stack.pop, stack.append
    for _ in range(LIMIT):
        if at == end:
            return 0, None
        name, x, needs, room, binary = code[at]
        if len(stack) < needs:
            return 65, at
        if binary:
            try:
                value = binary(stack[-2], stack[-1])
            except Fault as fault:
                return fault.args[0], at
            pop()
            stack[-1] = value if -2147483648 <= value <= 2147483647 else (value + 2147483648) % 4294967296 - 2147483648
            at += 1
            continue
        if len(stack) > room:
            return 66, at
        at += 1
        if name == "push":
            push(x)
        elif name == "jnz":
            if pop():
                at = x
        elif name == "jz":
            if not pop():
                at = x
        elif name == "jmp":
            at = x
        elif name == "dup":
            push(stack[-1])
        elif name == "pop":
            pop()
        elif name == "swap":
            stack[-1], stack[-2] = stack[-2], stack[-1]
        elif name == "over":
            push(stack[-2])
        elif name == "rot":
            push(pop(-3))
        elif name == "pick":
            push(stack[-1 - x])
        elif name == "not":
            stack[-1] = ~stack[-1]
        elif name == "load":
            if not 0 <= stack[-1] < 4096:
                return 68, at - 1
            stack[-1] = memory[stack[-1]]
        elif name == "store":
            if not 0 <= stack[-1] < 4096:
                return 68, at - 1
            address = pop()
            memory[address] = pop()
        elif name in ("call", "calls"):
            target = x if name == "call" else stack[-1]
            if not 0 <= target <= end:
                return 69, at - 1
            if len(calls) == 1000:
                return 66, at - 1
            if name == "calls":
                pop()
            calls.append(at)
            at = target
        elif name == "ret":
            if not calls:
                return 65, at - 1
            at = calls.pop()
        elif name == "getc":
            push(data[pos] if pos < len(data) else -1)
            pos += pos < len(data)
        elif name == "getn":
            while pos < len(data) and data[pos] in b" \t\r\n":
                pos += 1
            found = NUMBER.match(data, pos)
            if found:
                pos = found.end()
            push((int(found[0]) + 2147483648) % 4294967296 - 2147483648 if found else 0)
            push(1 if found else 0)
        elif name == "putc":
            out.append(pop() & 255)
        elif name == "putn":
            out += b"%d" % pop()
        elif name == "halt":
            return 0, None
        else:
            return pop() & 255, None
    return (0, None) if at == end else (70, at)


def main():
    with open(sys.argv[1], encoding="latin-1", newline="\n") as file:
        code = assemble(file.read())
    out = bytearray()
    status, fault = run(code, sys.stdin.buffer.read(), out)
    sys.stdout.buffer.write(out)
    sys.stdout.flush()
    if fault is not None:
        print(f"at {fault}: the machine stopped with error {status}", file=sys.stderr)
    sys.exit(status)


main()
PY
for example in sum reverse; do
  python3 src/machine.py "examples/$example.asm" < "examples/$example.in" | cmp - "examples/$example.out"
done
