"""Who may call and how many at once: one worker's gate, the same for HTTP and gRPC."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import RequestError
from serving.settings import Settings


class Admission:
    def __init__(self, settings: Settings) -> None:
        self._keys = [key.encode() for key in settings.api_keys]
        self._places = settings.max_concurrency

    def check_key(self, authorization: str) -> None:
        """Raise RequestError 401 unless the value of an `authorization` header or metadata carries a key."""
        if not self._keys:
            return
        scheme, _, given = authorization.partition(" ")
        candidate = given.strip().encode() if scheme.lower() == "bearer" else b""
        # Every key is compared, so the time tells neither which one nor how much of it was right.
        if not sum(hmac.compare_digest(candidate, key) for key in self._keys):
            message = "the key is missing or wrong: send `Authorization: Bearer KEY`"
            raise RequestError(401, message, headers={"WWW-Authenticate": "Bearer"})

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places. Raises RequestError 429 at once if there is none: a queue would only time out."""
        if self._places <= 0:
            raise RequestError(429, "too many requests at once: try again in a second", headers={"Retry-After": "1"})
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1
