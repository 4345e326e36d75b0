"""Serve what the store's `latest` says, without a restart: look, verify, switch; what is bad is refused and counted."""

import asyncio
import logging

from serving import store
from serving.predictor import Predictor
from serving.workers import Workers, models_of_workers

logger = logging.getLogger("bentoml.service")


class Swapper:
    """Keeps one worker on the newest model.

    Args:
        tag: what the settings say to serve. A full tag is served for ever, a `latest` is followed.
        poll_seconds: time between two looks; 0 looks only when asked.
    """

    def __init__(self, predictor: Predictor, tag: str, poll_seconds: float) -> None:
        self.predictor = predictor
        self.workers = Workers(self.refresh)
        self._tag = tag
        self._poll_seconds = poll_seconds
        self._turn = asyncio.Lock()
        self._reported = ""
        self._polling: asyncio.Task[None] | None = None

    @property
    def follows(self) -> bool:
        return ":" not in self._tag or self._tag.endswith(":latest")

    async def start(self) -> None:
        await self.workers.listen()
        self.workers.switched(self.predictor.stored.tag)
        if self.follows:
            # A promotion between this worker's first look at the store and its listening is found now.
            await self._look()
            if self._poll_seconds:
                self._polling = asyncio.create_task(self._poll())

    async def close(self) -> None:
        if self._polling:
            self._polling.cancel()
        await self.workers.close()

    async def refresh(self) -> None:
        """Switch to the newest model if it is another one.

        Raises:
            store.ModelError: it cannot be served; the present one goes on.
        """
        if not self.follows:
            return
        async with self._turn:
            try:
                stored = await asyncio.to_thread(self._newer)
            except store.ModelError as error:
                self._report(str(error))
                raise
            self._reported = ""
            if stored:
                before = self.predictor.stored.tag
                self.predictor.swap(stored)
                self.workers.switched(stored.tag)
                logger.info("switched from %s to %s", before, stored.tag)

    def _newer(self) -> store.StoredModel | None:
        tag = store.resolve(self._tag)
        return None if tag == self.predictor.stored.tag else store.load(tag)

    def _report(self, message: str) -> None:
        # Once for each reason: polling goes on, in case the model is mended.
        if message != self._reported:
            self._reported = message
            self.predictor.swap_failed()
            logger.error("%s goes on serving: %s", self.predictor.stored.tag, message)

    async def _look(self) -> None:
        try:
            await self.refresh()
        except store.ModelError:
            pass  # refresh has reported it
        except Exception:
            logger.exception("looking for a newer model failed; %s goes on serving", self.predictor.stored.tag)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self._look()


def load_first(tag: str) -> store.StoredModel:
    """Load the model that a worker starts with.

    A worker that takes the place of a killed one may find a newest model that the others have refused: it starts with
    the one that they answer with.

    Raises:
        store.ModelError: there is nothing to start with.
    """
    try:
        return store.load(tag)
    except store.ModelError:
        if served := models_of_workers():
            return store.load(served[0])
        raise
