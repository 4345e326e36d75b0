"""Who may call and how many at once: one worker's gate, the same for HTTP and gRPC."""

import base64
import hmac

from serving.errors import RequestError
from serving.settings import Settings


class Admission:
    """`with` it around a request that was let in, which holds a place as long."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [key.encode() for key in settings.api_keys]
        self._places = settings.max_concurrency

    @property
    def closed(self) -> bool:
        """Whether a key is needed at all."""
        return bool(self._keys)

    def check_key(self, authorization: str, page: bool = False) -> None:
        """Raise RequestError 401 unless the value of an `authorization` header or metadata carries a key.

        Args:
            page: a browser asks, which knows HTTP Basic only: the key is the password.
        """
        if not self._keys:
            return
        scheme, _, given = authorization.partition(" ")
        if page:
            candidate = _password(given) if scheme.lower() == "basic" else b""
            message = "the key is missing or wrong: the password is a key, the user name may be any"
            challenge = 'Basic realm="a key as the password, any user name", charset="UTF-8"'
        else:
            candidate = given.strip().encode() if scheme.lower() == "bearer" else b""
            message, challenge = "the key is missing or wrong: send `Authorization: Bearer KEY`", "Bearer"
        # Every key is compared, so the time tells neither which one nor how much of it was right.
        if not sum(hmac.compare_digest(candidate, key) for key in self._keys):
            raise RequestError(401, message, headers={"WWW-Authenticate": challenge})

    def __enter__(self) -> None:
        """Take one of the places. Raises RequestError 429 at once if there is none: a queue would only time out."""
        if self._places <= 0:
            raise RequestError(429, "too many requests at once: try again in a second", headers={"Retry-After": "1"})
        self._places -= 1

    def __exit__(self, *error: object) -> None:
        self._places += 1


def _password(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""
