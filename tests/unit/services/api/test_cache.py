"""One query for many askers."""

import asyncio

import pytest

from candlewave.services.api.cache import SingleFlight


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_askers_at_the_same_time_share_one_making_and_later_ones_its_result() -> None:
    async def work() -> None:
        clock, made, go = Clock(), [], asyncio.Event()
        shared = SingleFlight(clock=clock)

        async def make() -> int:
            made.append(1)
            await go.wait()
            return len(made)

        askers = [asyncio.ensure_future(shared.get("key", 0.5, make)) for _ in range(1_000)]
        await asyncio.sleep(0)
        go.set()
        assert set(await asyncio.gather(*askers)) == {1}
        assert len(made) == 1
        clock.now = 0.49
        assert await shared.get("key", 0.5, make) == 1
        clock.now = 0.51
        assert await shared.get("key", 0.5, make) == 2

    asyncio.run(work())


def test_errors_reach_all_who_wait_and_are_not_kept() -> None:
    async def work() -> None:
        shared = SingleFlight()
        go = asyncio.Event()

        async def fail() -> int:
            await go.wait()
            raise ValueError("no")

        async def well() -> int:
            return 7

        askers = [asyncio.ensure_future(shared.get("key", 1, fail)) for _ in range(3)]
        await asyncio.sleep(0)
        go.set()
        assert [str(e) for e in await asyncio.gather(*askers, return_exceptions=True)] == ["no"] * 3
        assert await shared.get("key", 1, well) == 7

    asyncio.run(work())


def test_an_asker_that_goes_away_does_not_end_the_work_of_the_others() -> None:
    async def work() -> None:
        shared, go = SingleFlight(), asyncio.Event()

        async def make() -> int:
            await go.wait()
            return 7

        first, second = (asyncio.ensure_future(shared.get("key", 1, make)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await second == 7
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(work())


def test_only_so_many_are_kept() -> None:
    async def work() -> None:
        shared = SingleFlight(2)

        async def make() -> int:
            return 1

        for key in "abc":
            await shared.get(key, 60, make)
        assert ["a" in shared, "b" in shared, "c" in shared] == [False, True, True]

    asyncio.run(work())
