"""The lines that describe our processes in the Compose files and in Prometheus' targets."""

from collections.abc import Iterable, Iterator, Sequence

from deploy.processes import COMMANDS_ENVIRONMENT, PROCESSES, Instance, Process, pools


def processes() -> Iterator[str]:
    """An anchor for each image, for each process and for the environment of each process."""
    for service in dict.fromkeys(process.service for process in PROCESSES.values()):
        yield f"x-{service}-build: &{service}-build"
        yield "  context: ."
        yield "  dockerfile: services/Dockerfile"
        yield f'  args: {{SERVICE: {service}, PYTHON_TAG: "${{PYTHON_TAG:-3.13-slim}}"}}'
    for process in PROCESSES.values():
        yield ""
        yield from _process(process)
        yield from _environment(process)


def _process(process: Process) -> Iterator[str]:
    limits, reservations = process.limits, process.reservations
    yield f"x-{process.name}: &{process.name}"
    yield "  <<: *container"
    yield f"  image: boltlink-{process.service}:${{BOLTLINK_TAG:-latest}}"
    yield f"  build: *{process.service}-build"
    yield f"  secrets: [{', '.join(process.secret_variables.values())}]"
    yield "  depends_on:"
    yield "    migrate: {condition: service_completed_successfully}"
    yield from (f"    {store}: {{condition: service_healthy}}" for store in process.stores)
    yield f"  stop_grace_period: {process.stop_timeout}s"
    yield "  deploy:"
    yield "    resources:"
    yield f'      limits: {{cpus: "{limits.cpus}", memory: {limits.memory}}}'
    yield f'      reservations: {{cpus: "{reservations.cpus}", memory: {reservations.memory}}}'


def _environment(process: Process) -> Iterator[str]:
    yield f"x-{process.name}-environment: &{process.name}-environment"
    yield f"  FACTORY: {process.factory}"
    yield f'  PORT: "{process.port}"'
    yield f"  HEALTH_PATH: {process.health}"
    yield "  PUBLIC_URL: ${BOLTLINK_PUBLIC_URL:-http://localhost}"
    yield from (f"  {variable}: /run/secrets/{secret}" for variable, secret in process.secret_variables.items())
    if process.spool:
        yield "  SPOOL_FOLDER: /spool"
    yield from (f"  {line}" for line in _settings(process.environment))


def _settings(names: Iterable[str]) -> Iterator[str]:
    """Settings of the user's. An empty value means the default, which stands in the code alone."""
    yield from (f"{name}: ${{{name}:-}}" for name in names)


def commands_environment() -> Iterator[str]:
    """The settings of the migrations and of the keys command."""
    yield from _settings(COMMANDS_ENVIRONMENT)


def instances(found: Iterable[Instance]) -> Iterator[str]:
    """The services of Compose."""
    for instance in found:
        name = instance.process.name
        yield f"{instance.compose_name}:"
        yield f"  <<: *{name}"
        yield f"  container_name: {instance.container}"
        yield f"  environment: {{<<: *{name}-environment, INSTANCE_ID: {instance.name}}}"
        yield from _spool(instance)


def _spool(instance: Instance) -> Iterator[str]:
    if instance.process.spool:
        yield f'  volumes: ["{instance.compose_name}-spool:/spool"]'


def volumes(found: Iterable[Instance]) -> Iterator[str]:
    """The volumes of the spools."""
    for instance in found:
        if instance.process.spool:
            yield f"{instance.compose_name}-spool: {{name: {instance.container}-spool}}"


def nginx_depends_on(found: Iterable[Instance]) -> Iterator[str]:
    """The services that nginx waits for."""
    for members in pools(found).values():
        yield from (f"{member.compose_name}: {{condition: service_healthy}}" for member in members)


def nginx_pools(found: Iterable[Instance]) -> Iterator[str]:
    """The pools for nginx.sh."""
    yield "BOLTLINK_POOLS: |"
    for pool, members in pools(found).items():
        places = " ".join(f"{member.container}:{member.process.port}" for member in members)
        yield f"  {pool.name} {pool.keepalive} {places}"


def nginx_others(found: Iterable[Instance]) -> Iterator[str]:
    """The containers that are in no pool, for nginx.sh."""
    yield f"BOLTLINK_OTHERS: {' '.join(instance.container for instance in found if not instance.process.pool)}"


def targets(found: Iterable[Instance]) -> Iterator[str]:
    """The targets of Prometheus."""
    for instance in found:
        yield f"- labels: {{job: boltlink, service: {instance.process.name}, instance: {instance.name}}}"
        yield f"  targets: [{instance.container}:{instance.process.port}]"


def production_overrides(found: Sequence[Instance]) -> Iterator[str]:
    """What differs in production for the services of docker-compose.yml; replicas share the lines of the first."""
    shared = {instance.process.name for instance in found if instance.number > 1}
    for instance in found:
        name = instance.process.name
        if instance.number > 1:
            yield f"{instance.compose_name}: *{name}"
        else:
            yield f"{instance.compose_name}:{f' &{name}' if name in shared else ''}"
            yield f"  environment: {{{', '.join(_production_environment(instance.process))}}}"
            yield from _production_limits(instance.process)


def _production_environment(process: Process) -> Iterator[str]:
    yield "<<: *production-environment"
    if pool := process.production.pool_size:
        yield f'DATABASE_POOL_SIZE: "${{{pool.setting}:-${{DATABASE_POOL_SIZE:-{pool.default}}}}}"'


def _production_limits(process: Process) -> Iterator[str]:
    if limits := process.production.limits:
        yield f'  deploy: {{resources: {{limits: {{cpus: "{limits.cpus}", memory: {limits.memory}}}}}}}'


def production_instances(found: Iterable[Instance]) -> Iterator[str]:
    """The services that only production has."""
    for instance in found:
        first = Instance(instance.process, 1)
        variables = [*_production_environment(instance.process), f"INSTANCE_ID: {instance.name}"]
        yield f"{instance.compose_name}:"
        yield f"  extends: {{file: docker-compose.yml, service: {first.compose_name}}}"
        yield f"  container_name: {instance.container}"
        yield f"  environment: {{{', '.join(variables)}}}"
        yield from _production_limits(instance.process)
        yield from _spool(instance)
