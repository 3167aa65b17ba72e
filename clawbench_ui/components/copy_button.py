"""A button that copies a text and says that it did."""

from __future__ import annotations

import reflex as rx
from reflex.vars import Var
from reflex_base.utils.imports import ImportDict

_CODE = """
function CopyButton({ text, label }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), 2000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      setSaid("Select and copy by hand");
    }
  };
  return jsx("button", { type: "button", className: "copy", "aria-label": label, onClick: copy },
    jsx("span", { "aria-live": "polite" }, said || "Copy"));
}
"""


class CopyButton(rx.Component):
    """The button as the browser knows it."""

    tag = "CopyButton"
    text: Var[str]
    label: Var[str]

    def add_imports(self) -> ImportDict:
        """Name what the code below uses."""
        return {"react": ["useEffect", "useState"], "@emotion/react": ["jsx"]}

    def add_custom_code(self) -> list[str]:
        """Give the component's own code."""
        return [_CODE]


def copy_button(text: rx.Var[str] | str, label: str) -> rx.Component:
    """Copy the text at a press; the label says to screen readers what is copied."""
    return CopyButton.create(text=text, label=label)
