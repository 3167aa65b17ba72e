"""Words that are stored, as the contract has them, and the arrows that a run's state can take."""

from __future__ import annotations

RUN_STATES = ("queued", "claimed", "running", "finalizing", "finished", "failed", "expired", "cancelled")
OPEN_STATES = ("queued", "claimed", "running")
TRIAL_STATES = ("pending", "preparing", "running", "verifying", "scored", "failed")
VISIBILITIES = ("dev_only", "publishable", "published", "withdrawn")
LANES = ("mcp", "hosted")
KINDS = ("agent", "canary", "oracle")
TASK_KINDS = ("answer", "terminal", "swe", "browser")
ROLES = ("participant", "reviewer", "ops", "admin")
CAUSES = (
    "budget_exhausted",
    "agent_refused",
    "sandbox_failed",
    "provider_failed",
    "verifier_failed",
    "platform_failed",
    "cancelled",
)
INFRASTRUCTURE = ("sandbox_failed", "provider_failed", "verifier_failed", "platform_failed")
# Every arrow of the run's state machine; ARCHITECTURE.md draws them, the database refuses any other.
ARROWS = {
    "A": ("", "queued"),
    "B": ("queued", "claimed"),
    "C": ("claimed", "running"),
    "D": ("running", "finalizing"),
    "E": ("finalizing", "finished"),
    "F": ("finalizing", "failed"),
    "G": ("running", "failed"),
    "H": ("claimed", "finalizing"),
    "I": ("claimed", "queued"),
    "J": ("queued", "expired"),
    "K": ("claimed", "expired"),
    "L": ("running", "expired"),
    "M": ("queued", "cancelled"),
    "N": ("claimed", "cancelled"),
    "O": ("running", "cancelled"),
}
