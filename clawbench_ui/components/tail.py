"""The end of a list that grows: follows it while the reader is there, and else only says how much is new."""

from __future__ import annotations

import reflex as rx
from reflex.vars import NumberVar, Var
from reflex_base.utils.imports import ImportDict

_CODE = """
function Tail({ last, onFollow }) {
  const mark = useRef(null);
  const known = useRef(0);
  const there = useRef(false);
  const [fresh, setFresh] = useState(0);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => {
      there.current = entry.isIntersecting;
      if (entry.isIntersecting) setFresh(0);
      onFollow(entry.isIntersecting);
    }, { rootMargin: "0px 0px 48px 0px" });
    watch.observe(mark.current);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const came = known.current ? last - known.current : 0;
    known.current = last;
    if (came <= 0) return;
    if (there.current) mark.current.scrollIntoView({ block: "end" });
    else setFresh((n) => n + came);
  }, [last]);
  const go = () => mark.current.scrollIntoView({ block: "end" });
  return jsx("div", { className: "tail" },
    jsx("div", { ref: mark, className: "tail-mark" }),
    jsx("div", { role: "status" }, fresh > 0
      ? jsx("button", { type: "button", className: "pill", onClick: go }, `${fresh} new ↓`) : null));
}
"""


class Tail(rx.Component):
    """The end as the browser knows it."""

    tag = "Tail"
    last: Var[int]
    on_follow: rx.EventHandler[rx.event.passthrough_event_spec(bool)]

    def add_imports(self) -> ImportDict:
        """Name what the code below uses."""
        return {"react": ["useEffect", "useRef", "useState"], "@emotion/react": ["jsx"]}

    def add_custom_code(self) -> list[str]:
        """Give the component's own code."""
        return [_CODE]


def tail(last: NumberVar, on_follow: rx.event.EventType[bool]) -> rx.Component:
    """Follow a list whose last entry has the number `last`; `on_follow` is told whether the reader is at its end."""
    return Tail.create(last=last, on_follow=on_follow)
