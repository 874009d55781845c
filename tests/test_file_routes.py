"""Files of patients over HTTP: what is wrong with one is a problem in words, before anything is answered."""

from __future__ import annotations

import gzip

import pytest
from near_service import NearService, snapshot_of

TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "h5ad": "application/x-hdf5"}


@pytest.fixture(scope="module")
def model(small_training):
    return small_training.model


@pytest.fixture(scope="module")
def service(model):
    return NearService(snapshot_of(model))


def asked(service, model, body, form="csv", accept="*/*"):
    query = {"cancer_type": model.cancer_type, "scale": model.scale}
    headers = {"Content-Type": TYPES[form], "Accept": accept}
    return service.ask("POST", "/score/file", params=query, content=body, headers=headers)


@pytest.fixture(scope="module")
def rows(small_training, model):
    """Lines of three patients of the cohort, by the header below, each to be given an id."""
    table = small_training.cohort.expression.reindex(columns=list(model.panel.symbols)).head(3)
    return [line.partition(",")[2].encode() + b"\n" for line in table.to_csv(header=False).splitlines()]


def header_of(model):
    return f"id,{','.join(model.panel.symbols)}\n".encode()


@pytest.mark.parametrize("accept", ["*/*", "text/csv"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (header_of, "holds no patient"),
        (lambda model: header_of(model) + b"\n \n", "holds no patient"),
        (lambda model: (header_of(model) + b"p1,5\n").replace(b"\n", b"\r"), "carriage return"),
        (lambda _: gzip.compress(b"a" * 2**25), "has a line of more than"),
    ],
    ids=["no patient", "blank lines", "returns", "bomb"],
)
def test_what_is_no_file_of_patients_is_a_problem_in_words(service, model, accept, body, words):
    response = asked(service, model, body(model), accept=accept)
    assert response.status_code == 422
    assert words in response.json()["detail"]


def test_a_row_that_cannot_be_read_is_its_own_error_in_lines_and_in_the_table(service, model, rows):
    body = header_of(model) + b"a," + rows[0] + b"b\xff,1\n" + b"c," + rows[1]
    lines = asked(service, model, body).text.splitlines()
    assert len(lines) == 5
    assert "not text in UTF-8" in lines[2]
    assert lines[-1] == '{"summary":{"patients":3,"scored":2,"failed":1}}'
    table = asked(service, model, body, accept="text/csv").text.splitlines()
    assert len(table) == 4
    assert "not text in UTF-8" in table[2]


def test_ids_come_back_as_they_were_sent_formulas_too(service, model, rows):
    body = header_of(model) + b"=cmd|calc," + rows[0] + b"-1," + rows[1] + b"@sum," + rows[2]
    table = asked(service, model, body, accept="text/csv").text.splitlines()
    assert [line.split(",")[1] for line in table[1:]] == ['"=cmd|calc"', '"-1"', '"@sum"']


@pytest.mark.parametrize("form", TYPES)
def test_noise_is_a_problem_in_every_format(service, model, form):
    response = asked(service, model, b"PAR1\x89HDF\r\n\x1a\n" + bytes(100), form)
    assert response.status_code == 422
    assert response.json()["type"].endswith(":not-scorable")
