"""One run as it is watched. A tab holds a window of short rows; an event's body comes when it is opened."""

from __future__ import annotations

import asyncio
import secrets

import reflex as rx

from backend.errors import RunNotFound, Unavailable
from clawbench_ui.state import presence, sight
from clawbench_ui.state.events import Detail, EventRow
from clawbench_ui.state.session import Session
from clawbench_ui.state.sight import PAGE, Header, Sight, TaskRow

WINDOW = 2 * PAGE
_POLL_S = 0.5
_OPEN = 20
_NOTHING = Header(
    id="",
    agent="",
    family_id="",
    family="",
    state="",
    state_tone="plain",
    visibility="",
    visibility_tone="plain",
    lane="",
    kind="",
    score="—",
    cause="",
    created_at="",
    ended_at="",
    metadata=[],
)


class RunPage(Session):
    """A run, its tasks, and a window of its trace that grows while the run does."""

    phase: rx.Field[str] = rx.field("loading")
    header: rx.Field[Header] = rx.field(_NOTHING)
    tasks: rx.Field[list[TaskRow]] = rx.field(default_factory=list)
    rows: rx.Field[list[EventRow]] = rx.field(default_factory=list)
    opened: rx.Field[dict[int, Detail]] = rx.field(default_factory=dict)
    total: rx.Field[int] = rx.field(0)
    live: rx.Field[bool] = rx.field(False)
    _run_id: str = ""
    _watch: str = ""
    _following: bool = False

    @rx.var
    def first_seq(self) -> int:
        """The number of the first event shown."""
        return self.rows[0].seq if self.rows else 0

    @rx.var
    def last_seq(self) -> int:
        """The number of the last event shown."""
        return self.rows[-1].seq if self.rows else 0

    @rx.event
    async def show(self) -> rx.event.EventCallback | None:
        """Read the run that the address names, then watch it; a reconnected tab keeps the place that it was at."""
        wanted = self.router.url.path.rstrip("/").rsplit("/", 1)[-1]
        if wanted != self._run_id or self.phase != "ready":
            self.rows, self.opened, self.total, self.phase = [], {}, 0, "loading"
        self._run_id, self._watch = wanted, ""
        known = 0 if not self.rows else self.total
        seen = await self._look(known=known, after=None if self.rows else 0)
        if seen is not None and seen.live and not known and seen.total > PAGE:
            seen = await self._look(known=0, after=-PAGE)
        if seen is None:
            return None
        self._take(seen)
        return RunPage.watch

    @rx.event(background=True)
    async def watch(self) -> None:
        """Bring what is new until the run is closed and shown, or the tab is gone or at another page."""
        mine = secrets.token_hex(8)
        async with self:
            self._watch = mine
        while True:
            async with self:
                if not self._wanted(mine):
                    return
                cookies, run_id, known = self.router.headers.cookie, self._run_id, self.total
                after = self.last_seq if self._attached() else None
            try:
                seen = await sight.look(cookies, run_id, known=known, after=after)
            except RunNotFound:
                async with self:
                    self._forget("missing")
                return
            except Unavailable:
                seen = None
            async with self:
                if not self._wanted(mine):
                    return
                if seen is not None:
                    self._take(seen)
                if not self.live and self.last_seq >= self.total:
                    return
            await asyncio.sleep(_POLL_S)

    def _wanted(self, mine: str) -> bool:
        here = self.router.url.path.rstrip("/").endswith(f"/{self._run_id}")
        return self._watch == mine and here and presence.connected(self.router.session.client_token)

    def _attached(self) -> bool:
        """Whether the window reaches to the end and may grow there."""
        return self.last_seq >= self.total and (self._following or len(self.rows) < WINDOW)

    @rx.event
    def follow(self, at_end: bool) -> None:
        """Remember whether the reader is at the end of the trace."""
        self._following = bool(at_end)

    @rx.event
    async def toggle(self, seq: int) -> None:
        """Open an event in place, or close it."""
        if seq in self.opened:
            self.opened = {key: value for key, value in self.opened.items() if key != seq}
            return
        try:
            found = await sight.event(self.router.headers.cookie, self._run_id, seq)
        except RunNotFound:
            self._forget("missing")
            return
        except Unavailable:
            return
        if found is not None:
            kept = list(self.opened.items())[-(_OPEN - 1) :]
            self.opened = dict([*kept, (seq, found)])

    @rx.event
    async def earlier(self) -> None:
        """Show the events before the first one shown."""
        if not self.rows or self.first_seq <= 1:
            return
        after = max(0, self.first_seq - 1 - PAGE)
        seen = await self._look(known=-1, after=after, limit=self.first_seq - 1 - after)
        if seen is not None:
            self.rows = (seen.rows + self.rows)[:WINDOW]

    @rx.event
    async def later(self) -> None:
        """Show the events after the last one shown."""
        seen = await self._look(known=-1, after=self.last_seq)
        if seen is not None:
            self.rows = (self.rows + seen.rows)[-WINDOW:]
            self.total = seen.total

    @rx.event
    async def to_end(self) -> None:
        """Show the last events."""
        seen = await self._look(known=-1, after=-PAGE)
        if seen is not None:
            self.rows, self.total = seen.rows, seen.total

    async def _look(self, *, known: int, after: int | None, limit: int = PAGE) -> Sight | None:
        try:
            return await sight.look(self.router.headers.cookie, self._run_id, known=known, after=after, limit=limit)
        except RunNotFound:
            self._forget("missing")
        except Unavailable:
            self.phase = "ready" if self.rows else "trouble"
        return None

    def _take(self, seen: Sight) -> None:
        if seen.header is not None:
            self.header, self.tasks = seen.header, seen.tasks
        last = self.last_seq
        new = [row for row in seen.rows if row.seq > last]
        # The window may have moved meanwhile; what would leave a gap is read again from its new end.
        if (new and new[0].seq == last + 1) or not self.rows:
            self.rows = (self.rows + new)[-WINDOW:]
        if seen.total != self.total:
            self.total = seen.total
        self.live, self.phase = seen.live, "ready"

    def _forget(self, phase: str) -> None:
        self.rows, self.tasks, self.opened, self.header = [], [], {}, _NOTHING
        self.total, self.live, self.phase = 0, False, phase
