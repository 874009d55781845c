"""The service with champions whose swap is not atomic: what a test must be able to tell from the real one."""

from __future__ import annotations

from typing import Any

from serving.champions import Champions, ServedModel, Snapshot
from serving.service import PrognosisService

__all__ = ["PrognosisService"]

_OF_THE_MOMENT = Champions.snapshot


class _Live:
    """Reads every part at the moment at which it is asked for, as if the parts were swapped one by one."""

    def __init__(self, champions: Champions) -> None:
        self._champions = champions

    def __getattr__(self, part: str) -> Any:
        return getattr(self._now(), part)

    def _now(self) -> Any:
        return _OF_THE_MOMENT.fget(self._champions)  # type: ignore[attr-defined]


class _LiveSnapshot(_Live):
    def find(self, cancer_type: str, endpoint: str, *, kind: str) -> _LiveModel:
        now: Snapshot = self._now()
        return _LiveModel(self._champions, now.find(cancer_type, endpoint, kind=kind).registered.name)


class _LiveModel(_Live):
    def __init__(self, champions: Champions, name: str) -> None:
        super().__init__(champions)
        self._name = name

    def on_reference(self, name: str | None, *, kind: str) -> _LiveModel:
        assert name is None, f"no request of the load names a reference ({kind})"
        return self

    def _now(self) -> ServedModel:
        served: ServedModel = super()._now().models[self._name]
        return served


Champions.snapshot = property(_LiveSnapshot)  # type: ignore[assignment,method-assign]
