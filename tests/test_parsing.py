"""From bytes to a valid request, or to the sentence that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.parsing import parse_json, parse_request
from serving.problems import Problem, ProblemError

PATIENTS_VALUE = 7.31337


def request(**changes: Any) -> dict[str, Any]:
    profile = {"id": "p1", "expression": {"CD44": PATIENTS_VALUE}}
    return {"cancer_type": "KIRC", "endpoint": "OS", "scale": "zscore", "profiles": [profile]} | changes


def with_values(*values: str) -> bytes:
    """A request of one profile a value, the value as it is written."""
    profiles = [f'{{"id": "p{i}", "expression": {{"CD44": {value}}}}}' for i, value in enumerate(values)]
    head = '{"cancer_type": "KIRC", "endpoint": "OS", "scale": "zscore", "profiles": ['
    return (head + ", ".join(profiles) + "]}").encode()


def refusal(body: bytes | dict[str, Any] | list[Any]) -> Problem:
    with pytest.raises(ProblemError) as caught:
        parse_request(body if isinstance(body, bytes) else json.dumps(body).encode())
    return caught.value.problem


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("NaN", "NaN"),
        ("Infinity", "infinite"),
        ("-Infinity", "infinite"),
        ("1e999", "infinite"),
        ("1" + "0" * 400, "too large"),
        ("true", "true"),
        ('"1.2"', "a string"),
        ("null", "null"),
        ("[1]", "a list"),
        ("{}", "an object"),
    ],
)
def test_an_expression_value_that_is_no_finite_number_is_refused_by_gene_and_position(value: str, kind: str):
    problem = refusal(with_values(value))
    assert problem.status == 422
    assert problem.field == "profiles[0].expression.CD44"
    assert "profiles[0].expression.CD44 must be a" in problem.detail
    assert f"but is {kind}" in problem.detail


def test_a_faulty_value_among_sound_profiles_is_a_fault_of_its_profile_alone():
    parsed = parse_request(with_values("1.5", "NaN", "2.5"))
    assert parsed.ids == ("p0", "p1", "p2")
    assert [profile.id for profile in parsed.request.profiles] == ["p0", "p2"]
    assert list(parsed.faults) == [1]
    assert parsed.faults[1].field == "profiles[1].expression.CD44"


def test_if_every_profile_is_faulty_the_request_is():
    assert refusal(with_values("NaN", "true")).field == "profiles[0].expression.CD44"


def test_several_faults_of_one_profile_are_counted():
    profile = {"id": "p1", "expression": {"CD44": True, "CXCR4": "x", "ICAM1": 1.0}, "clinical": {"age": False}}
    problem = refusal(request(profiles=[profile]))
    assert problem.field == "profiles[0].expression.CD44"
    assert problem.detail.endswith("2 more like it follow.")


def test_whole_numbers_are_numbers():
    assert parse_request(with_values("3")).request.profiles[0].expression == {"CD44": 3.0}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cancer_type": 3}, "cancer_type"),
        ({"cancer_type": ""}, "cancer_type"),
        ({"endpoint": "os"}, "endpoint"),
        ({"scale": "log2"}, "scale"),
        ({"zscore_reference": 1}, "zscore_reference"),
        ({"horizons_months": []}, "horizons_months"),
        ({"horizons_months": 12}, "horizons_months"),
        ({"horizons_months": [12, 0]}, "horizons_months[1]"),
        ({"horizons_months": ["12"]}, "horizons_months[0]"),
        ({"horizons_months": [True]}, "horizons_months[0]"),
        ({"profiles": []}, "profiles"),
        ({"profiles": {}}, "profiles"),
        ({"profiles": [3]}, "profiles[0]"),
        ({"profiles": [{"expression": {"CD44": 1}}]}, "profiles[0].id"),
        ({"profiles": [{"id": 1, "expression": {"CD44": 1}}]}, "profiles[0].id"),
        ({"profiles": [{"id": "", "expression": {"CD44": 1}}]}, "profiles[0].id"),
        ({"profiles": [{"id": "a"}]}, "profiles[0].expression"),
        ({"profiles": [{"id": "a", "expression": {}}]}, "profiles[0].expression"),
        ({"profiles": [{"id": "a", "expression": {"": 1}}]}, 'profiles[0].expression.""'),
        ({"profiles": [{"id": "a", "expression": {"CD44": 1}, "age": 61}]}, "profiles[0].age"),
        ({"profiles": [{"id": "a", "expression": {"CD44": 1}, "clinical": 61}]}, "profiles[0].clinical"),
        ({"profiles": [{"id": "a", "expression": {"CD44": 1}, "clinical": {"age": True}}]}, "profiles[0].clinical.age"),
        ({"model": "x"}, "model"),
    ],
)
def test_what_is_missing_unknown_or_impossible_is_named(change: dict[str, Any], field: str):
    problem = refusal(request(**change))
    assert (problem.status, problem.field) == (422, field)
    assert problem.detail.startswith(f"{field} ")


@pytest.mark.parametrize("name", ["cancer_type", "endpoint", "scale", "profiles"])
def test_each_required_field_is_named_when_it_is_missing(name: str):
    without = {key: value for key, value in request().items() if key != name}
    assert refusal(without).detail == f"{name} is missing; send it."


def test_an_unknown_scale_is_answered_with_those_that_are_known():
    assert "log2_tpm_1, log2_tpm_0001, log2_rsem_1" in refusal(request(scale="log2")).detail


def test_ids_that_occur_twice_are_refused_even_if_one_of_the_profiles_is_faulty():
    profiles = [{"id": "same", "expression": {"CD44": "x"}}, {"id": "same", "expression": {"CD44": 1}}]
    problem = refusal(request(profiles=profiles))
    assert problem.field == "profiles[1].id"
    assert "same as profiles[0].id" in problem.detail


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}", b'{"a": 1,}'],
)
def test_what_is_not_json_is_malformed(body: bytes):
    assert refusal(body).status == 400


def test_a_key_that_occurs_twice_is_refused_by_name():
    problem = refusal(with_values('1.0, "CD44": 2.0'))
    assert problem.status == 400
    assert "'CD44' occurs twice" in problem.detail


def test_json_that_is_no_object_is_refused():
    assert refusal([1]).detail == "the body must be an object, but is a list."


def test_lone_surrogates_are_refused_and_not_repeated():
    body = json.dumps(request(profiles=[{"id": "\ud800", "expression": {"CD44": 1}}])).encode()
    problem = refusal(body)
    assert problem.field == "profiles[0].id"
    problem.model_dump_json()


@given(st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False))
def test_no_refusal_repeats_a_value_of_a_patient(name: str, value: float):
    profile = {"id": "p1", "expression": {"CD44": [value, name]}, "clinical": {"stage": {"a": "secret" + name}}}
    text = refusal(request(profiles=[profile])).model_dump_json()
    assert "secret" not in text
    assert repr(abs(value)) not in text.replace("profiles[0]", "") or len(repr(abs(value))) < 5


SCALARS = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(ANY_JSON)
def test_whatever_the_profiles_are_the_answer_is_a_problem(profiles: Any):
    assert refusal(request(profiles=profiles)).status in (400, 422)


def test_python_reads_back_what_it_wrote():
    assert parse_json(json.dumps(request()).encode()) == request()


@given(
    keys=st.lists(st.sampled_from(["CD44", "CXCR4", "a:b", "ICAM1", " ", 'q"']), min_size=1, max_size=6),
    name=st.sampled_from(["p1", "TCGA:1", '":"', "a\\b", "x: y"]),
)
def test_a_key_that_is_written_twice_is_found_whatever_stands_around_it(keys: list[str], name: str):
    members = ", ".join(f"{json.dumps(key)} : 1.5" for key in keys)
    profile = f'{{"id": {json.dumps(name)}, "expression": {{{members}}}}}'
    body = f'{{"cancer_type": "KIRC", "endpoint": "OS", "scale": "zscore", "profiles": [{profile}]}}'.encode()
    if len(set(keys)) < len(keys):
        assert "occurs twice" in refusal(body).detail
    else:
        assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize("name", [" ", "\x00", "a\nb", "\t", "p\x7f"])
def test_an_id_that_nobody_can_read_is_refused(name: str):
    problem = refusal(request(profiles=[{"id": name, "expression": {"CD44": 1.0}}]))
    assert problem.field == "profiles[0].id"
    assert "no control characters" in problem.detail


def test_a_byte_order_mark_is_passed_over():
    assert parse_json(b"\xef\xbb\xbf" + json.dumps(request()).encode()) == request()
