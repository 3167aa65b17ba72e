"""Weekly opening hours as spans of minutes."""

from .schedule import intersect, invert, is_open, next_change, subtract, tidy, union
from .text import parse, render

__all__ = ["intersect", "invert", "is_open", "next_change", "parse", "render", "subtract", "tidy", "union"]
