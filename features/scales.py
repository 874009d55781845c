"""The expression scales that are known by name, and the conversions between them that are exact."""

from __future__ import annotations

SCALES = (
    "log2_tpm_1",
    "log2_tpm_0001",
    "log2_rsem_1",
    "log2_fpkm_uq_1",
    "tpm",
    "rsem",
    "fpkm_uq",
    "counts",
    "microarray_log2",
    "zscore",
)
