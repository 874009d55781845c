"""What goes over the wire."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, ValidationError

from serving import evidence_block, schemas
from serving.schemas import HazardRatio, ScoreRequest
from serving.wire import Wire

EVERY_NAME = {**vars(schemas), **vars(evidence_block)}
EVERY_SCHEMA = [each for each in EVERY_NAME.values() if isinstance(each, type) and issubclass(each, Wire)]


@pytest.mark.parametrize("schema", EVERY_SCHEMA)
def test_every_object_is_frozen_forbids_the_unknown_and_hides_its_input(schema: type[BaseModel]):
    assert schema.model_config["frozen"]
    assert schema.model_config["extra"] == "forbid"
    assert schema.model_config["hide_input_in_errors"]


def test_an_error_does_not_show_what_was_sent():
    with pytest.raises(ValidationError) as caught:
        ScoreRequest.model_validate(
            {"cancer_type": 7.31337, "profiles": [{"id": "TCGA-SECRET", "expression": "7.31337"}]}
        )
    assert "7.31337" not in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("value", [True, "1.2", None, float("nan"), float("inf")])
def test_nothing_is_coerced_to_a_number(value: object):
    class Number(Wire):
        value: float

    with pytest.raises(ValidationError):
        Number.model_validate({"value": value})


def test_the_hazard_ratios_have_a_column_for_every_one_of_the_scan():
    kinds = ("per_sd", "per_unit", "median_split")
    expected = {"gene", "n", "events", "direction", "literature_direction", "q_per_sd", "q_median_split"}
    expected |= {f"hazard_ratio_{kind}{end}" for kind in kinds for end in ("", "_lower", "_upper")}
    expected |= {f"p_{kind}" for kind in kinds}
    expected |= {"published_hazard_ratio", "published_hazard_ratio_as_printed", "published_p"}
    assert set(HazardRatio.model_fields) == expected | {"evidence"}


def test_the_schema_lists_scales_and_endpoints():
    properties = json.loads(json.dumps(ScoreRequest.model_json_schema()))["properties"]
    assert "log2_tpm_1" in properties["scale"]["enum"]
    assert properties["endpoint"]["enum"] == ["OS", "DSS", "DFI", "PFI"]
