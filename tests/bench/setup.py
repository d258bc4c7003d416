"""What runs during the measurements: the product, its baselines, links, and files of requests."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.common.console import step
from tests.bench import installations, links, workload
from tests.bench.baselines import lua
from tests.bench.installations import Installation
from tests.bench.sizes import Sizes


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What the parts of a run share. `hot`, `missing`: files of requests for codes that exist or do not exist."""

    sizes: Sizes
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
        """A folder for files of this run."""
        return self.product.settings.state

    def rewrite_redis_file(self) -> None:
        """Let Redis rewrite its append-only file now, so that it does not do so in the middle of a load."""
        links.rewrite_append_only_file(self.product.settings)


@contextlib.contextmanager
def running_setup(sizes: Sizes) -> Iterator[Setup]:
    """Start everything and create the links; stop and remove everything at the end, whatever happens."""
    with contextlib.ExitStack() as stack:
        product = stack.enter_context(installations.product())
        with step("Starting the baselines"):
            empty = stack.enter_context(
                installations.resolvers_replaced(product, "empty", "tests.bench.baselines.empty:serve")
            )
            plain = stack.enter_context(
                installations.resolvers_replaced(product, "plain", "tests.bench.baselines.plain:serve")
            )
            lua_nginx = stack.enter_context(installations.nginx_alone(product, "lua", lua.configuration))
        stack.callback(print, "  Stopping everything …", flush=True)
        codes = workload.codes(sizes.links)
        with step(f"Creating {sizes.links:,} links"):
            redis_bytes = _make_links(product, codes)
        folder = product.settings.state
        yield Setup(
            sizes=sizes,
            product=product,
            empty=empty,
            plain=plain,
            lua=lua_nginx,
            codes=codes,
            redis_bytes=redis_bytes,
            hot=workload.write_paths(folder / "hot", codes[: workload.HOT]),
            missing=workload.write_paths(folder / "missing", workload.codes(workload.HOT, kind="missing")),
        )


def _make_links(product: Installation, codes: list[str]) -> int:
    """Create links in PostgreSQL and Redis. Return how many bytes Redis needs for their records."""
    settings = product.settings
    with contextlib.closing(links.connect_postgres(settings)) as postgres:
        ids = links.insert_links(postgres, codes)
    before = links.redis_memory(settings)
    links.put_records(settings, codes, ids)
    after = links.redis_memory(settings)
    links.put_baseline_keys(settings, codes)
    return after - before
