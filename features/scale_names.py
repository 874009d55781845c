"""The names of the expression scales, for those who need no more of them: this imports nothing."""

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
