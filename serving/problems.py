"""The one shape of every error over HTTP: problem details after RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
Headers = Sequence[tuple[str, str]]
_TYPE_PREFIX = "urn:ctc-prognosis:problem:"

#: The kinds of problems: status and title of each, by the last part of its type.
KINDS: Mapping[str, tuple[int, str]] = {
    "malformed-request": (400, "The request is malformed"),
    "token-needed": (401, "A token is needed"),
    "not-guarded": (403, "The service has no tokens and answers on its own machine only"),
    "foreign-page": (403, "The service has no tokens and answers no page from elsewhere"),
    "not-found": (404, "There is nothing at this address"),
    "no-such-model": (404, "There is no such model"),
    "method-not-allowed": (405, "This address does not answer that method"),
    "upload-timeout": (408, "The request body did not arrive in time"),
    "body-too-large": (413, "The request body is too large"),
    "address-too-long": (414, "The address is too long"),
    "unsupported-media-type": (415, "The request body is of a kind that is not taken here"),
    "foreign-host": (421, "The service has no tokens and answers to the names of its own machine only"),
    "invalid-request": (422, "The request is not valid"),
    "not-scorable": (422, "The request cannot be scored"),
    "too-many-requests": (429, "Too much was asked for in a minute"),
    "headers-too-large": (431, "The request headers are too large"),
    "internal-error": (500, "The service failed"),
    "not-ready": (503, "The service is not ready"),
    "timeout": (504, "The request took too long"),
}


class Problem(BaseModel):
    """An error, as it is answered."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: str = Field(description="The kind of problem, as a URN.")
    title: str = Field(description="The kind of problem in words; the same for every occurrence.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str = Field(description="What is wrong here, and how to mend it.")
    field: str | None = Field(description="The part of the request that is at fault, `profiles[0].expression.CD44`.")

    @classmethod
    def of(cls, kind: str, detail: str, *, field: str | None = None) -> Problem:
        """Return the problem of a kind that `KINDS` knows."""
        status, title = KINDS[kind]
        return cls(type=_TYPE_PREFIX + kind, title=title, status=status, detail=detail, field=field)

    @property
    def kind(self) -> str:
        """The last part of its type: a key of `KINDS`, or ``blank``."""
        return self.type.rpartition(":")[2]

    @classmethod
    def of_status(cls, status: int, detail: str) -> Problem:
        """Return the problem that an HTTP status alone tells of."""
        for kind, (known, _) in KINDS.items():
            if known == status:
                return cls.of(kind, detail)
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
        return cls(type="about:blank", title=phrase, status=status, detail=detail, field=None)


class ProblemError(Exception):
    """Ends the answering of a request with a problem.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    detail : str
        What is wrong here, and how to mend it; never a patient's value.
    field : str or None
        The part of the request that is at fault.
    headers : sequence of (str, str)
        What the answer says beside the problem, ``Retry-After`` for example.
    """

    def __init__(self, kind: str, detail: str, *, field: str | None = None, headers: Headers = ()) -> None:
        super().__init__(kind)
        self.problem = Problem.of(kind, detail, field=field)
        self.headers = headers

    @classmethod
    def of(cls, problem: Problem) -> ProblemError:
        """Return the error that ends the answering with this problem."""
        error = cls("internal-error", "")
        error.problem = problem
        return error


def problem_response(problem: Problem, headers: Headers = ()) -> Response:
    """Return the problem as an HTTP response."""
    response = Response(problem.model_dump_json(), status_code=problem.status, media_type=MEDIA_TYPE)
    for name, value in headers:
        response.headers.append(name, value)
    return response
