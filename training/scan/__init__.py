"""The univariate scan: every gene of a cohort by itself, cut or continuous, corrected, and pooled over cohorts."""
