set -euo pipefail
mkdir -p src
cat > src/crowd.py <<'PY'
"""Order statistics of a moving multiset: a Fenwick tree over all values that occur, and queues for the order of adding."""

import sys
from bisect import bisect_left, bisect_right
from collections import deque


class Ranks:
    """Counts by value, with prefix sums and selection in the logarithm of the number of values."""

    def __init__(self, values):
        self.values = values
        self.tree = [0] * (len(values) + 1)
        self.top = 1 << (len(values).bit_length() - 1) if values else 0

    def change(self, place, by):
        tree, place, end = self.tree, place + 1, len(self.tree)
        while place < end:
            tree[place] += by
            place += place & -place

    def before(self, place):
        tree, total = self.tree, 0
        while place:
            total += tree[place]
            place &= place - 1
        return total

    def select(self, k):
        tree, place, step, end = self.tree, 0, self.top, len(self.tree)
        while step:
            if place + step < end and tree[place + step] < k:
                place += step
                k -= tree[place]
            step >>= 1
        return self.values[place]


def median(low, high):
    total = low + high
    if total % 2 == 0:
        return str(total // 2)
    return f"{'-' if total < 0 else ''}{abs(total) // 2}.5"


def main():
    lines = [line.split() for line in sys.stdin.read().splitlines()]
    values = sorted({int(line[1]) for line in lines if line and line[0] == "+"})
    place_of = {value: place for place, value in enumerate(values)}
    ranks, copies, order, alive, size, out = Ranks(values), {}, deque(), [], 0, []
    for name, *arguments in lines:
        numbers = [int(argument) for argument in arguments]
        if name == "+":
            place = place_of[numbers[0]]
            copies.setdefault(place, deque()).append(len(alive))
            order.append((len(alive), place))
            alive.append(True)
            ranks.change(place, 1)
            size += 1
        elif name == "-":
            place = place_of.get(numbers[0])
            if copies.get(place):
                alive[copies[place].pop()] = False
                ranks.change(place, -1)
                size -= 1
        elif name == "~":
            while size > numbers[0]:
                number, place = order.popleft()
                if alive[number]:
                    copies[place].popleft()
                    ranks.change(place, -1)
                    size -= 1
        elif name == "?":
            out.append(str(ranks.select(numbers[0])) if 1 <= numbers[0] <= size else "none")
        elif name == "<":
            out.append(str(ranks.before(bisect_left(values, numbers[0]))))
        elif name == "#":
            low, high = bisect_left(values, numbers[0]), bisect_right(values, numbers[1])
            out.append(str(ranks.before(high) - ranks.before(low) if low < high else 0))
        else:
            out.append(median(ranks.select((size + 1) // 2), ranks.select(size // 2 + 1)) if size else "none")
    sys.stdout.write("".join(f"{line}\n" for line in out))


main()
PY
