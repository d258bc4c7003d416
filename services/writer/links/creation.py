"""Many links are made in one transaction, and word of them is left in the outbox: all of it, or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.writer.links.codes import TRIES, is_reserved, random_code
from shared.domain.codes import DEFAULT_DOMAIN
from shared.domain.errors import BoltLinkError, CodeTaken, ExternalIdTaken, InvalidInput
from shared.domain.models import Link, LinkOptions, NewLink
from shared.postgres.connection import Connection
from shared.postgres.tables import new_links, outbox


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """A link that somebody wants, and whose it will be."""

    requested: NewLink
    owner_id: int

    @property
    def names(self) -> set[tuple[str, str]]:
        """What no other link may have as well."""
        given = {"code": self.requested.code, "external_id": self.requested.options.external_id}
        return {(kind, name) for kind, name in given.items() if name is not None}


CreationResult = Link | BoltLinkError
"""The link, or why there is none."""


async def create_all(conn: Connection, requests: Sequence[LinkRequest]) -> list[CreationResult]:
    """What became of each request, in order. A refused one stops no other; of equal ones the first wins."""
    results: dict[int, CreationResult] = {}
    for place, request in enumerate(requests):
        if faults := faults_of(request.requested.options, request.requested.code):
            results[place] = InvalidInput(faults)
    for _ in range(TRIES):
        waiting = {place: request for place, request in enumerate(requests) if place not in results}
        if not waiting:
            break
        results |= await _create_some(conn, waiting)
    made = [result for result in results.values() if isinstance(result, Link)]
    if made:
        await outbox.append(conn, made)
    return [results.get(place) or CodeTaken("No free code was found; try again.") for place in range(len(requests))]


def faults_of(options: LinkOptions, code: str | None = None) -> dict[str, list[str]]:
    """What is wrong with a link and no single field can tell."""
    faults: dict[str, list[str]] = {}
    if code is not None and is_reserved(code):
        faults["code"] = ["Is a reserved word."]
    if options.valid_since and options.valid_until and options.valid_until <= options.valid_since:
        faults["valid_until"] = ["Must be later than valid_since."]
    return faults


async def _create_some(conn: Connection, waiting: Mapping[int, LinkRequest]) -> dict[int, CreationResult]:
    """Outcomes of those that can be decided now. The others have to wait for them, or need another random code."""
    places = _first_of_equals(waiting)
    rows = [
        new_links.NewRow(code=code, owner_id=waiting[place].owner_id, options=waiting[place].requested.options)
        for code, place in places.items()
    ]
    made = await new_links.insert(conn, domain=DEFAULT_DOMAIN, rows=rows)
    if any(waiting[places[code]].requested.code for code in made):
        made = await new_links.outlive_purges(conn, made)
    results: dict[int, CreationResult] = {places[code]: link for code, link in made.items()}
    lost = {place: request for place, request in waiting.items() if place not in results}
    return results | await _refusals(conn, lost)


def _first_of_equals(waiting: Mapping[int, LinkRequest]) -> dict[str, int]:
    """The places of requests that do not get into each other's way, by the code that each shall have."""
    places: dict[str, int] = {}
    claimed: set[tuple[str, str]] = set()
    for place, request in waiting.items():
        code = request.requested.code or random_code()
        names = request.names | {("code", code)}
        if not names & claimed:
            claimed |= names
            places[code] = place
    return places


async def _refusals(conn: Connection, lost: Mapping[int, LinkRequest]) -> dict[int, CreationResult]:
    """The requests that another link, or an earlier request, has taken a name from."""
    codes = [request.requested.code for request in lost.values() if request.requested.code]
    external_ids = [name for request in lost.values() if (name := request.requested.options.external_id)]
    if not codes and not external_ids:
        return {}
    taken_codes, taken_ids = await new_links.taken(conn, domain=DEFAULT_DOMAIN, codes=codes, external_ids=external_ids)
    refusals: dict[int, CreationResult] = {}
    for place, request in lost.items():
        if request.requested.code in taken_codes:
            refusals[place] = CodeTaken(f"The code {request.requested.code} is already in use.")
        elif request.requested.options.external_id in taken_ids:
            refusals[place] = ExternalIdTaken("Another link has this external_id.")
    return refusals
