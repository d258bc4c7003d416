"""Promise: when a consumer is killed while another one runs, no click is lost or counted twice."""

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.faults import kill, wait_until_restarted
from tests.support.stack import second_consumer


async def test_killing_a_consumer_every_three_seconds_costs_nothing(
    stack: LocalSettings, under_load: UnderLoad
) -> None:
    with second_consumer(stack) as second:
        async with under_load("`kill -9` the consumer every 3 s; two consumers at once") as row:
            while row.has_time_left:
                await wait_until_restarted(stack, "consumer-1", kill(stack, "consumer-1"))
                await row.run_for(3.0)
                second.kill()
                await row.run_for(3.0)
