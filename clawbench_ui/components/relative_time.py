"""A moment as a reader counts it, "4 min ago", kept true while the page is open; the exact time on hover."""

from __future__ import annotations

import reflex as rx
from reflex.vars import Var
from reflex_base.utils.imports import ImportDict

_CODE = """
function RelativeTime({ at }) {
  const moment = at ? new Date(at) : null;
  const say = () => {
    const s = Math.max(0, (Date.now() - moment.getTime()) / 1000);
    if (s < 45) return "just now";
    if (s < 3600) return `${Math.max(1, Math.round(s / 60))} min ago`;
    if (s < 86400) return `${Math.round(s / 3600)} h ago`;
    if (s < 2592000) return `${Math.round(s / 86400)} d ago`;
    return moment.toISOString().slice(0, 10);
  };
  const [, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => again((n) => n + 1), 15000);
    return () => clearInterval(timer);
  }, []);
  if (!moment || Number.isNaN(moment.getTime())) return jsx("span", {}, "—");
  return jsx("time", { dateTime: at, title: moment.toISOString().replace("T", " ").slice(0, 19) + " UTC" }, say());
}
"""


class RelativeTime(rx.Component):
    """The time as the browser knows it."""

    tag = "RelativeTime"
    at: Var[str]

    def add_imports(self) -> ImportDict:
        """Name what the code below uses."""
        return {"react": ["useEffect", "useState"], "@emotion/react": ["jsx"]}

    def add_custom_code(self) -> list[str]:
        """Give the component's own code."""
        return [_CODE]


def relative_time(at: rx.Var[str] | str) -> rx.Component:
    """Show an ISO moment as the time since then; a dash for none."""
    return RelativeTime.create(at=at)
