"""The endpoints that patients are followed for (Liu et al. 2018, doi 10.1016/j.cell.2018.02.052)."""

from __future__ import annotations

from collections.abc import Mapping

ENDPOINTS: Mapping[str, str] = {
    "OS": "overall survival",
    "DSS": "disease-specific survival",
    "DFI": "disease-free interval",
    "PFI": "progression-free interval",
}
