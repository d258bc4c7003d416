"""`python -m services.writer.api_keys.command`: create and revoke API keys."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from services.writer.api_keys.creation import make_first_key, make_key, revoke
from shared.domain.errors import KeyNotFound, SettingsError, StoreUnavailable
from shared.domain.models import MAX_API_KEY_LENGTH, SCOPES
from shared.postgres.pool import connect
from shared.process import logging as logs
from shared.process.settings import DatabaseSettings, Environment

MIN_KEY_LENGTH: Final = 20
"""The minimum length of `BOLTLINK_ADMIN_KEY`, in characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysSettings:
    """The settings of the command."""

    database: DatabaseSettings
    admin_key: str

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        env = Environment(values)
        settings = cls(database=DatabaseSettings.read(env), admin_key=env.secret("BOLTLINK_ADMIN_KEY", ""))
        env.finish()
        key = settings.admin_key
        if key and not (MIN_KEY_LENGTH <= len(key) <= MAX_API_KEY_LENGTH and key.isascii()):
            bounds = f"{MIN_KEY_LENGTH} to {MAX_API_KEY_LENGTH}"
            raise SettingsError(f"BOLTLINK_ADMIN_KEY must have {bounds} ASCII characters.")
        return settings


async def _run(settings: KeysSettings, options: argparse.Namespace) -> None:
    async with connect(settings.database) as database:
        if options.command == "first":
            secret = await make_first_key(database, settings.admin_key)
            if secret:
                print(secret)
        elif options.command == "make":
            expires_at = datetime.now(UTC) + timedelta(hours=options.hours) if options.hours else None
            scopes = options.scope or ["admin"]
            _, secret = await make_key(database, name=options.name, scopes=scopes, expires_at=expires_at)
            print(secret)
        else:
            await revoke(database, options.id)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.writer.api_keys.command", description="Create and revoke API keys."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("first", help="store BOLTLINK_ADMIN_KEY, or create and print the first admin key")
    make = commands.add_parser("make", help="create a key and print it")
    make.add_argument("--name", default="created by hand", help="what the key is for")
    make.add_argument("--scope", action="append", choices=SCOPES, help="may be repeated; default: admin")
    make.add_argument("--hours", type=float, default=0, help="how long the key is valid; default: until it is revoked")
    revoking = commands.add_parser("revoke", help="revoke a key")
    revoking.add_argument("id", type=int)
    return parser


def main() -> int:
    options = _parser().parse_args()
    logs.configure("keys", "WARNING")
    try:
        asyncio.run(_run(KeysSettings.from_env(os.environ), options))
    except (SettingsError, StoreUnavailable, KeyNotFound) as fault:
        print(f"keys: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
