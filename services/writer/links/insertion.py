"""Insert links: many in one transaction, each with its outbox message, so that all are committed or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.writer.links.codes import MAX_ATTEMPTS, is_reserved, random_code
from shared.domain.codes import LinkName
from shared.domain.errors import BoltLinkError, CodeTaken, ExternalIdTaken, InvalidInput
from shared.domain.models import Link, LinkOptions, NewLink
from shared.postgres.connection import Connection
from shared.postgres.tables import new_links, outbox


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """A request for a link: what is requested, and the API key that will own it."""

    requested: NewLink
    owner_id: int

    @property
    def name(self) -> LinkName | None:
        """The name that the request asks for; None when any code will do."""
        code = self.requested.code
        return None if code is None else LinkName(self.requested.domain, code)

    @property
    def external_id(self) -> str | None:
        return self.requested.options.external_id


CreationResult = Link | BoltLinkError
"""The new link, or why there is none."""


async def create_all(conn: Connection, requests: Sequence[LinkRequest]) -> list[CreationResult]:
    """Create a link for each request; the results, in order.

    A refused request does not affect the others. Of requests for the same code or external id the first one wins.
    """
    results: dict[int, CreationResult] = {}
    for place, request in enumerate(requests):
        if faults := faults_of(request.requested.options, request.requested.code):
            results[place] = InvalidInput(faults)
    for _ in range(MAX_ATTEMPTS):
        waiting = {place: request for place, request in enumerate(requests) if place not in results}
        if not waiting:
            break
        results |= await _create_some(conn, waiting)
    if created := [result for result in results.values() if isinstance(result, Link)]:
        await outbox.append(conn, created)
    return [results.get(place) or CodeTaken("No free code was found; try again.") for place in range(len(requests))]


def faults_of(options: LinkOptions, code: str | None = None) -> dict[str, list[str]]:
    """The faults of a link that no single field shows, by field."""
    faults: dict[str, list[str]] = {}
    if code is not None and is_reserved(code):
        faults["code"] = ["Must not be a reserved word."]
    if options.valid_since and options.valid_until and options.valid_until <= options.valid_since:
        faults["valid_until"] = ["Must be later than valid_since."]
    return faults


async def _create_some(conn: Connection, waiting: Mapping[int, LinkRequest]) -> dict[int, CreationResult]:
    """The results that can be decided now, by place.

    A request without a result conflicts with an earlier one, or needs another random code: it is tried again.
    """
    places = _without_conflicts(waiting)
    rows = [
        new_links.NewRow(name=name, owner_id=waiting[place].owner_id, options=waiting[place].requested.options)
        for name, place in sorted(places.items(), key=lambda item: _insertion_order(waiting, *item))
    ]
    created = await new_links.insert(conn, rows)
    if any(waiting[places[name]].name for name in created):  # only a requested code can be one that was purged
        created = await new_links.outlive_purges(conn, created)
    results: dict[int, CreationResult] = {places[name]: link for name, link in created.items()}
    left = {place: request for place, request in waiting.items() if place not in results}
    return results | await _refusals(conn, left)


def _insertion_order(waiting: Mapping[int, LinkRequest], name: LinkName, place: int) -> tuple[bool, LinkName | int]:
    """Requested names first, in one order in all transactions, so that two of them do not deadlock; then by place."""
    return (False, name) if waiting[place].name else (True, place)


def _without_conflicts(waiting: Mapping[int, LinkRequest]) -> dict[LinkName, int]:
    """Requests that share no name and no external id, by the name that each link will have."""
    places: dict[LinkName, int] = {}
    external_ids: set[str] = set()
    for place, request in waiting.items():
        name = request.name or LinkName(request.requested.domain, random_code())
        if name in places or request.external_id in external_ids:
            continue
        places[name] = place
        if request.external_id is not None:
            external_ids.add(request.external_id)
    return places


async def _refusals(conn: Connection, left: Mapping[int, LinkRequest]) -> dict[int, CreationResult]:
    """The requests whose code or external id belongs to another link, by place."""
    names = [request.name for request in left.values() if request.name]
    external_ids = [request.external_id for request in left.values() if request.external_id]
    if not names and not external_ids:
        return {}
    taken_names, taken_ids = await new_links.taken(conn, names=names, external_ids=external_ids)
    refusals: dict[int, CreationResult] = {}
    for place, request in left.items():
        if request.name in taken_names:
            refusals[place] = CodeTaken(f"The code {request.requested.code} is already in use.")
        elif request.external_id in taken_ids:
            refusals[place] = ExternalIdTaken("Another link has this external_id.")
    return refusals
