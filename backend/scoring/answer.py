"""Judges an answer-style task: one short answer against one hidden expectation, strictly and without any model."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

LONGEST = 1_000
_BLANK = " \t\r\n"
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")


class AnswerSpec(BaseModel):
    """What a task's tests/answer.toml says: how to match, what is expected, and the shape an answer must have."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    match: Literal["exact", "normalised", "number"]
    """exact: character for character. normalised: case and the width of blanks do not count. number: by value."""
    expected: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    pattern: str | None = None
    """A regular expression that the whole answer must match before it is compared."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"pattern is no regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _accepts_its_own_expectation(self) -> AnswerSpec:
        if judge(self, self.expected).reward != 1.0:
            raise ValueError("the expected answer does not have the form that the spec demands")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The reward, 1.0 or 0.0, and why, in words that give nothing of the expectation away."""

    reward: float
    detail: str


def load(text: str) -> AnswerSpec:
    """Read the text of an answer.toml. Raises ValueError saying what is wrong with it."""
    return AnswerSpec.model_validate(tomllib.loads(text))


def judge(spec: AnswerSpec, answer: str | None) -> Judgement:
    """Judge an answer: blanks around it do not count, everything else does as far as the spec says."""
    given = (answer or "").strip(_BLANK)
    if not given:
        return Judgement(reward=0.0, detail="no answer was given")
    if len(given) > LONGEST:
        return Judgement(reward=0.0, detail=f"the answer is longer than {LONGEST} characters")
    # plain ASCII only: no look-alike letter or foreign digit can pass a case fold or a \d (attack 19)
    if not all(" " <= c <= "~" or c in _BLANK for c in given):
        return Judgement(reward=0.0, detail="the answer holds characters other than plain ASCII")
    if not _shaped(spec, given):
        return Judgement(reward=0.0, detail="the answer does not have the form that the task asks for")
    if not _equal(spec, given):
        return Judgement(reward=0.0, detail="the answer is wrong")
    return Judgement(reward=1.0, detail="the answer is right")


def _shaped(spec: AnswerSpec, given: str) -> bool:
    if spec.match == "number" and not _NUMBER.fullmatch(given):
        return False
    return spec.pattern is None or re.fullmatch(spec.pattern, given) is not None


def _equal(spec: AnswerSpec, given: str) -> bool:
    if spec.match == "number":
        return Decimal(given) == Decimal(spec.expected.strip(_BLANK))
    if spec.match == "normalised":
        return given.lower().split() == spec.expected.lower().split()
    return given == spec.expected.strip(_BLANK)
