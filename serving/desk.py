"""What the routes need to know of the service that answers behind them."""

from __future__ import annotations

from typing import Protocol

import anyio

from serving.champions import Snapshot


class Desk(Protocol):
    """The service, as the routes see it."""

    @property
    def snapshot(self) -> Snapshot:
        """The models that are served now."""

    @property
    def threads(self) -> anyio.CapacityLimiter:
        """How many large requests are worked on at once."""
