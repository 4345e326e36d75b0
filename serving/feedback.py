"""The true label of a prediction, recorded when somebody knows it, at whichever worker or replica they ask."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor

from serving.errors import RequestError
from serving.log_url import LogError
from serving.prediction_log import PredictionLog

_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")
# A prediction is written within 250 ms, by its own worker; a database that just came back takes seconds to catch up.
_YOUNG_SECONDS = 10.0
_WAIT_SECONDS = 3.0
_LOOK_SECONDS = 0.05
_DATABASE_SECONDS = 5.0
_LATER = {"Retry-After": "1"}


class Feedback:
    """Records labels without holding up the event loop.

    Args:
        log: None if none is kept.
    """

    def __init__(self, log: PredictionLog | None) -> None:
        self._log = log
        # Of its own: feedback that waits for a database must not take the threads of others.
        self._threads = ThreadPoolExecutor(2, "feedback")

    async def record(self, prediction_id: str, actual: str) -> bool:
        """Record the true label of a prediction, one of `CLASSES`; the last one wins.

        Returns:
            False if PREDICTION_LOG_SAMPLE leaves the prediction out: there is nothing to compare the label with.

        Raises:
            RequestError: 404, there is no such prediction; 503, the log is off or cannot be asked now.
        """
        if self._log is None:
            raise RequestError(503, "feedback needs the prediction log, which is off (PREDICTION_LOG_URL)")
        unknown = RequestError(404, "no prediction has this prediction_id, or it is no longer kept")
        if not _ID.fullmatch(prediction_id):
            raise unknown
        if not self._log.takes(prediction_id):
            return False
        made = int(prediction_id[:12], 16) / 1000
        # Another replica's clock may be ahead.
        patience = _WAIT_SECONDS if abs(time.time() - made) < _YOUNG_SECONDS else 0.0
        end = time.monotonic() + patience
        try:
            async with asyncio.timeout(patience + _DATABASE_SECONDS):
                while True:
                    # When the look began and not when it ended: a slow one, as with the first connection, saw the past.
                    began = time.monotonic()
                    if await self._stored(prediction_id, actual):
                        return True
                    if began >= end:
                        raise unknown if not self._log.behind else _unavailable()
                    self._log.hurry()
                    await asyncio.sleep(_LOOK_SECONDS)
        except (LogError, TimeoutError) as error:
            raise _unavailable() from error

    async def _stored(self, prediction_id: str, actual: str) -> bool:
        assert self._log is not None
        record = self._log.store.record
        return await asyncio.get_running_loop().run_in_executor(self._threads, record, prediction_id, actual)


def _unavailable() -> RequestError:
    return RequestError(503, "the prediction log cannot be reached: try again in a moment", headers=_LATER)
