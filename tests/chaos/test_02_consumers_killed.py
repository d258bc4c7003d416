"""Promise: a consumer that is killed, beside another one, loses no click and counts none twice."""

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.faults import is_back, kill
from tests.support.stack import second_consumer


async def test_killing_a_consumer_every_three_seconds_costs_nothing(
    stack: LocalSettings, under_load: UnderLoad
) -> None:
    with second_consumer(stack) as second:
        async with under_load("`kill -9` the consumer every 3 s; two consumers at once") as load:
            while load.goes_on:
                await is_back(stack, "consumer-1", kill(stack, "consumer-1"))
                await load.pause(3.0)
                second.kill()
                await load.pause(3.0)
