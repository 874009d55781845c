"""``fetched.json``: what was fetched from where and when, its checksums, its licence and whom to cite."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as version_of_package
from pathlib import Path

from experiments.fetch_catalogue import SOURCES, Place, citations
from experiments.fetch_http import shown
from experiments.fetch_parts import Kept, keeping

RECORD = "fetched.json"


@dataclass(frozen=True)
class FetchedFile:
    """A file that came, and from which of its places.

    Parameters
    ----------
    place : Place
    kept : Kept
    """

    place: Place
    kept: Kept


def write_record(
    folder: Path,
    *,
    project: str,
    source: str,
    version: str | None,
    files: Iterable[FetchedFile],
    built: Mapping[str, str],
) -> None:
    """Write ``fetched.json`` into a cohort's folder.

    Parameters
    ----------
    folder : Path
    project, source : str
    version : str or None
        The source's own, of its data; None if it states none.
    files : iterable of FetchedFile
    built : mapping of str to str
        By path, the address that the answers came from of which a table was built.
    """
    about = SOURCES[source]
    record = {
        "project": project,
        "source": about.name,
        "source_version": version,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "fetched_by": f"ctc-prognosis {version_of_package('ctc-prognosis')}",
        "licence": about.licence,
        "cite": list(citations(source, project)),
        "files": [_file(file) for file in files],
        "built": [
            {"path": path, "from": shown(url), "sha256": _sha256(folder / path)} for path, url in sorted(built.items())
        ],
    }
    path = folder / RECORD
    with keeping(path):
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _file(file: FetchedFile) -> dict[str, object]:
    kept = file.kept
    return {
        "path": file.place.path,
        "url": shown(file.place.url),
        "bytes": kept.size,
        "sha256": kept.sha256,
        "md5_stated": file.place.md5,
        "etag": kept.revision.etag,
        "last_modified": kept.revision.last_modified,
        "fetched": kept.fetched,
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
