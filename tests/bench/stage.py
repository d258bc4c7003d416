"""All that stands while it is measured: the product, its baselines, links, and files of requests."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.console import step
from tests.bench import installations, links, workload
from tests.bench.baselines import lua
from tests.bench.installations import Installation
from tests.bench.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The parts of a run. `hot` and `missing`: files of requests for links that exist, and for links that do not."""

    plan: Plan
    product: Installation
    empty: Installation
    plain: Installation
    lua: Installation
    codes: list[str]
    redis_bytes: int
    hot: Path
    missing: Path

    @property
    def folder(self) -> Path:
        return self.product.settings.state

    def rest(self) -> None:
        """Let Redis rewrite its file now: it would do so by itself some time, in the middle of a load."""
        links.rewrite_file(self.product.settings)


@contextlib.contextmanager
def standing(plan: Plan) -> Iterator[Stage]:
    """Everything, started and filled; stopped and removed at the end, whatever happens."""
    with contextlib.ExitStack() as stack:
        product = stack.enter_context(installations.product())
        with step("Starting the baselines"):
            empty = stack.enter_context(
                installations.resolvers_replaced(product, "empty", "tests.bench.baselines.empty:serve")
            )
            plain = stack.enter_context(
                installations.resolvers_replaced(product, "plain", "tests.bench.baselines.plain:serve")
            )
            nginx = stack.enter_context(installations.nginx_alone(product, "lua", lua.configuration))
        stack.callback(print, "  Stopping everything …", flush=True)
        codes = workload.codes(plan.links)
        with step(f"Making {plan.links:,} links"):
            redis_bytes = _make_links(product, codes)
        folder = product.settings.state
        yield Stage(
            plan=plan,
            product=product,
            empty=empty,
            plain=plain,
            lua=nginx,
            codes=codes,
            redis_bytes=redis_bytes,
            hot=workload.write_paths(folder / "hot", codes[: workload.HOT]),
            missing=workload.write_paths(folder / "missing", workload.codes(workload.HOT, kind="missing")),
        )


def _make_links(product: Installation, codes: list[str]) -> int:
    """Links in PostgreSQL and Redis; the bytes that Redis needs for their records."""
    settings = product.settings
    with contextlib.closing(links.connect_postgres(settings)) as postgres:
        ids = links.insert_rows(postgres, codes)
    before = links.redis_memory(settings)
    links.put_records(settings, codes, ids)
    after = links.redis_memory(settings)
    links.put_yardstick_keys(settings, codes)
    return after - before
