"""The one shape of errors."""

from __future__ import annotations

import json

import pytest

from serving.problems import KINDS, MEDIA_TYPE, Problem, ProblemError, problem_response


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_members_of_rfc_9457_and_the_field(kind: str):
    response = problem_response(Problem.of(kind, "it is so", field="scale"))
    body = json.loads(response.body)
    assert list(body) == ["type", "title", "status", "detail", "field"]
    assert body["status"] == response.status_code == KINDS[kind][0]
    assert body["type"] == f"urn:ctc-prognosis:problem:{kind}"
    assert (body["detail"], body["field"]) == ("it is so", "scale")
    assert response.headers["content-type"] == MEDIA_TYPE


def test_a_status_without_a_kind_of_its_own_has_its_phrase():
    problem = Problem.of_status(418, "no coffee")
    assert (problem.type, problem.title, problem.status) == ("about:blank", "I'm a Teapot", 418)


def test_a_status_with_a_kind_has_its_type():
    assert Problem.of_status(405, "no").type.endswith("method-not-allowed")


def test_headers_are_kept():
    assert problem_response(Problem.of("method-not-allowed", "no"), [("Allow", "POST")]).headers["allow"] == "POST"


def test_the_error_carries_the_problem_and_its_message_carries_nothing_of_the_request():
    error = ProblemError("not-scorable", "profiles[0]: 7.31337", field="profiles[0]")
    assert error.problem.detail == "profiles[0]: 7.31337"
    assert "7.31337" not in str(error)
    assert ProblemError.of(error.problem).problem == error.problem
