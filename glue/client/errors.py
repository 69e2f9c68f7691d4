"""What a customer's program may meet. ``code`` and ``fields`` are those of the API's problem answers."""

from typing import Any


class ClientError(Exception):
    """The root of all errors here."""


class Refused(ClientError):
    """An answer that repeating does not change: a limit, a right, a wrong field. ``status`` is the HTTP status."""

    def __init__(self, problem: dict[str, Any], *, status: int) -> None:
        super().__init__(f"{problem.get('detail') or problem.get('title') or 'refused'} {problem.get('remedy', '')}".strip())
        self.status = status
        self.code = str(problem.get("code", ""))
        self.fields = problem


class Unreachable(ClientError):
    """No answer, or one that says to come back; ``retry_after_seconds`` tells when."""

    def __init__(self, message: str, *, retry_after_seconds: float = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class BadLicenseFile(ClientError):
    """A file that does not prove what it should: broken, forged, of another machine, or over."""
