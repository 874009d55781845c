"""The items of TRIPOD+AI by number, in their order; which of them a machine can fill is said elsewhere.

References
----------
Collins GS et al. TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use regression or
machine learning methods. BMJ 2024;385:e078378. doi:10.1136/bmj-2023-078378
"""

from __future__ import annotations

DOI = "10.1136/bmj-2023-078378"
AUTHORS = "To be completed by the authors"

#: Section, then number and heading of each item; the headings are ours.
CHECKLIST: dict[str, dict[str, str]] = {
    "Title and abstract": {
        "1": "Title",
        "2": "Abstract",
    },
    "Introduction": {
        "3a": "Healthcare context",
        "3b": "Target population and purpose",
        "3c": "Health inequalities",
        "4": "Objectives",
    },
    "Methods": {
        "5a": "Sources of data",
        "5b": "Dates",
        "6a": "Setting",
        "6b": "Eligibility",
        "6c": "Treatments",
        "7": "Preparation of the data",
        "8a": "Outcome",
        "8b": "Assessors of the outcome",
        "8c": "Blinding of the outcome's assessment",
        "9a": "Choice of predictors",
        "9b": "Definition of predictors",
        "9c": "Assessors of predictors",
        "10": "Sample size",
        "11": "Missing data",
        "12a": "Use of the data",
        "12b": "Handling of predictors",
        "12c": "Type, building and internal validation of the model",
        "12d": "Heterogeneity between clusters",
        "12e": "Measures of performance",
        "12f": "Updating of the model",
        "12g": "Calculation of predictions",
        "13": "Class imbalance",
        "14": "Fairness",
        "15": "Output of the model",
        "16": "Differences between development and evaluation data",
        "17": "Ethical approval",
    },
    "Open science": {
        "18a": "Funding",
        "18b": "Conflicts of interest",
        "18c": "Protocol",
        "18d": "Registration",
        "18e": "Sharing of data",
        "18f": "Sharing of code",
    },
    "Patient and public involvement": {
        "19": "Patient and public involvement",
    },
    "Results": {
        "20a": "Flow of participants",
        "20b": "Characteristics of participants",
        "20c": "Comparison with the development data",
        "21": "Participants and events in each analysis",
        "22": "Full specification of the model",
        "23a": "Performance",
        "23b": "Heterogeneity of performance between clusters",
        "24": "Results of updating",
    },
    "Discussion": {
        "25": "Interpretation",
        "26": "Limitations",
        "27a": "Poor or missing input",
        "27b": "Users and their expertise",
        "27c": "Next steps",
    },
}


def to_be_completed(what: str = "") -> str:
    """Mark what no machine can know, so that nobody takes it for filled."""
    return f"**{AUTHORS}**{f': {what}' if what else ''}."
