"""The service without a server: its edge and its routes over real models, for tests that ask thousands of things."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import httpx
from starlette.applications import Starlette

from serving.answers import render
from serving.bundle_cache import RegisteredVersion
from serving.champions import ServedModel, Snapshot
from serving.middleware import Edge
from serving.settings import Settings
from training.model import PrognosticModel

BODY_LIMIT = 200_000
INSTALLATION = Settings(home=Path(), tracking_uri="", cohorts=Path(), body_limit_bytes=BODY_LIMIT, log="off")


class NearService:
    """Answers as the service does, in this process.

    Parameters
    ----------
    snapshot : Snapshot
    **settings
        Of the installation.
    """

    def __init__(self, snapshot: Snapshot, **settings: Any) -> None:
        self.snapshot = snapshot
        installation = replace(INSTALLATION, **settings)
        self._edge = Edge(Starlette(), desk=lambda: self, installation=installation, write=lambda _: None)

    def ask(self, method: str, path: str, *, base: str = "http://127.0.0.1", **asked: Any) -> httpx.Response:
        """Return the answer to a request."""

        async def exchange() -> httpx.Response:
            self.threads = anyio.CapacityLimiter(1)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._edge), base_url=base) as http:
                return await http.request(method, path, **asked)

        return asyncio.run(exchange())


def snapshot_of(*models: PrognosticModel) -> Snapshot:
    """Return what is served where these models are champions."""
    served = {}
    for model in models:
        registered = RegisteredVersion(model.name, "3", "champion", "0" * 64)
        served[model.name] = ServedModel(registered, model, render(registered, model), datetime.now(UTC))
    return Snapshot(MappingProxyType(served), away=None, answered_at=datetime.now(UTC))
