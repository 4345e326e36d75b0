"""A BentoML service with nothing in it: what BentoML itself takes in memory and time."""

import bentoml


@bentoml.service
class Empty:
    @bentoml.api
    async def ping(self) -> str:
        return "pong"
