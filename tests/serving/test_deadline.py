import asyncio

import pytest

from serving.deadline import Deadline


async def waiting(deadline: Deadline, seconds: float) -> str:
    try:
        with deadline:
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "late"
    return "in time"


def test_only_what_waits_too_long_is_ended() -> None:
    async def run() -> list[str]:
        deadline = Deadline(0.2)
        return await asyncio.gather(*(waiting(deadline, seconds) for seconds in (0, 3600, 0.01, 3600)))

    assert asyncio.run(run()) == ["in time", "late", "in time", "late"]


def test_it_looks_again_after_a_pause() -> None:
    async def run() -> list[str]:
        deadline = Deadline(0.03)
        first = await waiting(deadline, 0)
        await asyncio.sleep(0.05)
        return [first, await waiting(deadline, 3600), await waiting(deadline, 0)]

    assert asyncio.run(run()) == ["in time", "late", "in time"]


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def run() -> None:
        task = asyncio.create_task(waiting(Deadline(3600), 3600))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
