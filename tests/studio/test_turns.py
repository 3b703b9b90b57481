"""Who works when: places, rotation between clients, and what is given up."""

import asyncio

import pytest

from cantilena.studio.turns import BusyError, Turns


def order_of(asked: list[str], places: int = 1) -> list[str]:
    """The order in which clients work that all asked at once, while another one worked."""

    async def run() -> list[str]:
        turns, worked = Turns(places), []
        for _ in range(places):
            await turns.take("first")

        async def job(client: str) -> None:
            await turns.take(client)
            worked.append(client)
            turns.give()

        tasks = [asyncio.create_task(job(client)) for client in asked]
        await asyncio.sleep(0)
        for _ in range(places):
            turns.give()
        await asyncio.gather(*tasks)
        assert turns.free == places
        return worked

    return asyncio.run(run())


def test_who_asks_once_waits_for_one_job_of_who_asks_often():
    assert order_of(["many"] * 5 + ["one"]) == ["many", "one", "many", "many", "many", "many"]
    assert order_of(["a", "a", "b", "b", "c"]) == ["a", "b", "c", "a", "b"]


def test_too_many_are_refused_and_nobody_is_forgotten():
    async def run() -> None:
        turns = Turns(1, most=2, each=1)
        await turns.take("a")
        waits = asyncio.create_task(turns.take("a"))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="1 jobs are waiting"):
            await turns.take("a")
        other = asyncio.create_task(turns.take("b"))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="2 jobs are waiting"):
            await turns.take("c")
        turns.give()
        await waits
        turns.give()
        await other
        turns.give()
        assert (turns.free, turns.waiting) == (1, 0)

    asyncio.run(run())


@pytest.mark.parametrize("given_before", [False, True])
def test_who_leaves_takes_no_place_with_them(given_before):
    async def run() -> None:
        turns = Turns(1)
        await turns.take("a")
        waits = asyncio.create_task(turns.take("b"))
        await asyncio.sleep(0)
        if given_before:
            turns.give()  # it has the place, and does not know yet
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        if not given_before:
            turns.give()
        assert (turns.free, turns.waiting) == (1, 0)

    asyncio.run(run())
