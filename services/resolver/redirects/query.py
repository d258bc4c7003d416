"""Forward a visitor's query to the target."""

from urllib.parse import quote, unquote_plus

from shared.domain.iri import PRINTABLE_ASCII


def merge_query(url: str, query: str) -> str:
    """The URL with a visitor's raw query merged in. Where both have a parameter, the visitor's is kept."""
    address, hash_sign, fragment = url.partition("#")
    address, _, own = address.partition("?")
    given = quote(query, safe=PRINTABLE_ASCII, errors="surrogateescape")
    given_names = {_name(part) for part in given.split("&")}
    kept = [part for part in own.split("&") if part and _name(part) not in given_names]
    return f"{address}?{'&'.join([*kept, given])}{hash_sign}{fragment}"


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0])
