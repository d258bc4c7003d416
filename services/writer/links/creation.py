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
class Wish:
    """A link that somebody wants, and whose it will be."""

    wanted: NewLink
    owner_id: int

    @property
    def names(self) -> set[tuple[str, str]]:
        """What no other link may have as well."""
        given = {"code": self.wanted.code, "external_id": self.wanted.options.external_id}
        return {(kind, name) for kind, name in given.items() if name is not None}


Outcome = Link | BoltLinkError
"""The link, or why there is none."""


async def make_all(conn: Connection, wishes: Sequence[Wish]) -> list[Outcome]:
    """What became of each wish, in order. A refused one stops no other; of equal ones the first wins."""
    outcomes: dict[int, Outcome] = {}
    for place, wish in enumerate(wishes):
        if faults := faults_of(wish.wanted.options, wish.wanted.code):
            outcomes[place] = InvalidInput(faults)
    for _ in range(TRIES):
        waiting = {place: wish for place, wish in enumerate(wishes) if place not in outcomes}
        if not waiting:
            break
        outcomes |= await _make_some(conn, waiting)
    made = [outcome for outcome in outcomes.values() if isinstance(outcome, Link)]
    if made:
        await outbox.append(conn, made)
    return [outcomes.get(place) or CodeTaken("No free code was found; try again.") for place in range(len(wishes))]


def faults_of(options: LinkOptions, code: str | None = None) -> dict[str, list[str]]:
    """What is wrong with a link and no single field can tell."""
    faults: dict[str, list[str]] = {}
    if code is not None and is_reserved(code):
        faults["code"] = ["Is a reserved word."]
    if options.valid_since and options.valid_until and options.valid_until <= options.valid_since:
        faults["valid_until"] = ["Must be later than valid_since."]
    return faults


async def _make_some(conn: Connection, waiting: Mapping[int, Wish]) -> dict[int, Outcome]:
    """Outcomes of those that can be decided now. The others have to wait for them, or need another random code."""
    places = _first_of_equals(waiting)
    rows = [
        new_links.NewRow(code=code, owner_id=waiting[place].owner_id, options=waiting[place].wanted.options)
        for code, place in places.items()
    ]
    made = await new_links.insert(conn, domain=DEFAULT_DOMAIN, rows=rows)
    if any(waiting[places[code]].wanted.code for code in made):
        made = await new_links.outlive_purges(conn, made)
    outcomes: dict[int, Outcome] = {places[code]: link for code, link in made.items()}
    lost = {place: wish for place, wish in waiting.items() if place not in outcomes}
    return outcomes | await _refusals(conn, lost)


def _first_of_equals(waiting: Mapping[int, Wish]) -> dict[str, int]:
    """The places of wishes that do not get into each other's way, by the code that each shall have."""
    places: dict[str, int] = {}
    claimed: set[tuple[str, str]] = set()
    for place, wish in waiting.items():
        code = wish.wanted.code or random_code()
        names = wish.names | {("code", code)}
        if not names & claimed:
            claimed |= names
            places[code] = place
    return places


async def _refusals(conn: Connection, lost: Mapping[int, Wish]) -> dict[int, Outcome]:
    """The wishes that another link, or an earlier wish, has taken a name from."""
    codes = [wish.wanted.code for wish in lost.values() if wish.wanted.code]
    external_ids = [name for wish in lost.values() if (name := wish.wanted.options.external_id)]
    if not codes and not external_ids:
        return {}
    taken_codes, taken_ids = await new_links.taken(conn, domain=DEFAULT_DOMAIN, codes=codes, external_ids=external_ids)
    refusals: dict[int, Outcome] = {}
    for place, wish in lost.items():
        if wish.wanted.code in taken_codes:
            refusals[place] = CodeTaken(f"The code {wish.wanted.code} is already in use.")
        elif wish.wanted.options.external_id in taken_ids:
            refusals[place] = ExternalIdTaken("Another link has this external_id.")
    return refusals
