"""What a version was made against: the figures and words that its runs, its version and the record say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.labels import flat_metrics
from training.challenge import Challenge
from training.estimate import Estimate

KEPT, CHANGED, NEW = "kept", "changed", "new"
#: What is appended to a metric's name for the difference, by the comparison that it is of.
BY_DEFINITION, LOCKED = "_minus_champion", "_minus_locked_champion"
#: MLflow refuses longer values of tags.
LONGEST_TAG = 4000


@dataclass(frozen=True)
class Contest:
    """What a training was compared with, told beside the model: promotions are decided by its bundle alone.

    Parameters
    ----------
    rival : str
        What it was compared with, in words: ``version 3 (champion)``; empty where there was nothing.
    challenge : Challenge or None
    tried : int
        Challengers tried on these patients, this one included; 0 where nobody counted.
    definition : str
        ``kept``, ``changed`` or ``new``; empty where nobody asked.
    reason : str
        For the record.
    """

    rival: str = ""
    challenge: Challenge | None = None
    tried: int = 0
    definition: str = ""
    reason: str = ""

    def tags(self) -> dict[str, str]:
        """Return what the parent run and the version say of it."""
        said = {
            "definition": self.definition,
            "definition.changes": "; ".join(change_lines(self.challenge.changed)) if self.challenge else "",
            "compared_with": self.rival,
            "challengers_tried": str(self.tried) if self.tried else "",
        }
        return {key: value[:LONGEST_TAG] for key, value in said.items() if value}

    def metrics(self) -> dict[str, float]:
        """Return the differences, challenger − champion, with their bounds, and on whom they were found."""
        if self.challenge is None:
            return {}
        locked = self.challenge.locked
        return {
            **flat_metrics(self._differences()),
            "locked_champion_patients": float(locked.n_patients),
            "locked_champion_events": float(locked.n_events),
            "challengers_tried": float(self.tried),
        }

    def _differences(self) -> dict[str, Estimate]:
        assert self.challenge is not None  # noqa: S101
        both = ((BY_DEFINITION, self.challenge.by_definition), (LOCKED, self.challenge.locked))
        return {
            metric + end: found.difference
            for end, comparison in both
            for metric, found in comparison.differences.items()
        }


#: Of a training that nobody compares with another.
NO_CONTEST = Contest()


def change_lines(changed: Mapping[str, tuple[object, object]]) -> list[str]:
    """Say what a definition changes, key by key: ``trials: 30 → 5``."""
    return [f"{key}: {_said(was)} → {_said(now)}" for key, (was, now) in changed.items()]


def _said(value: object) -> str:
    return "not stated" if value is None else str(value)
