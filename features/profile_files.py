"""Files of patients to be scored, opened by their format: CSV, TSV (gzip or not), Parquet and AnnData."""

from __future__ import annotations

from pathlib import Path

from features.parquet_profiles import ParquetProfiles
from features.profile_blocks import ProfileFile, ProfileFileError
from features.text_profiles import TextProfiles

FORMATS = ("csv", "tsv", "parquet", "h5ad")
_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".txt": "tsv", ".parquet": "parquet", ".pq": "parquet", ".h5ad": "h5ad"}


def format_of(name: str) -> str | None:
    """Return the format that a file's name tells of, gzip or not; None where it tells of none."""
    return _SUFFIXES.get(Path(name.lower().removesuffix(".gz")).suffix)


def open_profiles(path: Path, form: str | None = None, *, shown: str | None = None) -> ProfileFile:
    """Open a file of patients.

    Parameters
    ----------
    path : Path
    form : str or None
        One of `FORMATS`; by the file's name if None.
    shown : str or None
        What errors call the file; its name if None.

    Raises
    ------
    ProfileFileError
        If the file cannot be read, is empty, or its name tells of no known format.
    """
    name = shown or path.name
    match form or format_of(path.name):
        case "csv":
            return TextProfiles(path, name, separator=",")
        case "tsv":
            return TextProfiles(path, name, separator="\t")
        case "parquet":
            return ParquetProfiles(path, name)
        case "h5ad":
            # Imported late: other formats need no HDF5.
            from features.anndata_profiles import AnnDataProfiles  # noqa: PLC0415

            return AnnDataProfiles(path, name)
    raise ProfileFileError(f"{name}: its format is not known; it may be {', '.join(FORMATS)}, by suffix or as stated.")
