"""The commands that every runtime has, so that each is given in the same words whatever runs below."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from deploy.local import backups
from deploy.local.console import confirm
from deploy.local.packages import ensure_venv
from deploy.local.settings import CHECKOUT, RuntimeFault


class Runtime(Protocol):
    """What a runtime can do. Each raises RuntimeFault with what to do where it cannot."""

    def up(self) -> str | None:
        """Start everything; the first admin key, if it was made just now."""

    def down(self) -> None:
        """Stop everything; all data stays."""

    def restart(self) -> None:
        """Start every service anew, without a failed request."""

    def ps(self) -> None:
        """Show what runs."""

    def logs(self) -> None:
        """Follow all logs."""

    def destroy(self) -> None:
        """Stop everything and delete all data."""

    def keys(self, *words: str) -> str:
        """Run `services.writer.api_keys.command`; what it printed."""

    def command(self, instance: str, module: str, *words: str) -> None:
        """Become a command of ours, with the environment of one of the services (`writer`, `consumer`)."""

    def psql(self, *words: str) -> None:
        """Become psql."""

    def redis_cli(self, *words: str) -> None:
        """Become redis-cli."""

    def stores(self) -> backups.Stores:
        """What a backup needs."""

    def data(self) -> str:
        """Where all data is, in words."""

    def public_url(self) -> str:
        """The address that people type."""

    def base_url(self) -> str:
        """nginx as this machine reaches it."""


def up(runtime: Runtime, _options: argparse.Namespace) -> None:
    key = runtime.up()
    url = runtime.public_url()
    print(f"\nBoltLink runs at {url} (API: {url}/docs)")
    if key:
        print(f"The first admin key, shown this once: {key}")
    elif os.environ.get("BOLTLINK_ADMIN_KEY") or os.environ.get("BOLTLINK_ADMIN_KEY_FILE"):
        print("The admin key is the one in BOLTLINK_ADMIN_KEY.")
    else:
        print("The admin key was shown at the first start; make key makes another.")
    print("\nShorten your first URL:\n")
    print(
        f"""  curl {url}/links -H 'Authorization: Bearer {key or "KEY"}' --json '{{"url": "https://example.com/"}}'\n"""
    )


def clean(runtime: Runtime, options: argparse.Namespace) -> None:
    if not options.yes and not confirm(f"This deletes every link and every click in {runtime.data()} for good."):
        raise RuntimeFault("Nothing was deleted.")
    runtime.destroy()
    print("All data is deleted.")


def key(runtime: Runtime, options: argparse.Namespace) -> None:
    words = ["--name", options.name] if options.name else []
    for scope in options.scopes.replace(",", " ").split():
        words += ["--scope", scope]
    print(runtime.keys("make", *words))


def verify(runtime: Runtime, options: argparse.Namespace) -> None:
    runtime.command("writer", "services.writer.redis_sync.command", *(["--repair"] if options.repair else []))


def dead_letters(runtime: Runtime, options: argparse.Namespace) -> None:
    runtime.command("consumer", "services.stats.counting.command", *(["--replay"] if options.replay else []))


def demo(runtime: Runtime, _options: argparse.Namespace) -> None:
    made = runtime.keys("make", "--name", "demo", "--hours", "1", "--scope", "links:write", "--scope", "stats:read")
    python = str(ensure_venv("dev"))  # more packages, so more real URLs
    os.chdir(CHECKOUT)
    env = {**os.environ, "BOLTLINK_URL": runtime.base_url(), "BOLTLINK_KEY": made}
    os.execve(python, [python, "-m", "deploy.demo"], env)


def backup(runtime: Runtime, options: argparse.Namespace) -> None:
    path = backups.backup(runtime.stores(), Path(options.folder))
    print(f"Backup: {path} ({path.stat().st_size:,} bytes). Bring it back with: make restore FILE={path}")


def restore(runtime: Runtime, options: argparse.Namespace) -> None:
    if not options.file:
        raise RuntimeFault("Say which backup: make restore FILE=backups/boltlink-….dump")
    stores, path = runtime.stores(), Path(options.file)
    backups.check(stores, path)
    if not options.yes and not confirm(f"This replaces every link and every click by those of {path}."):
        raise RuntimeFault("Nothing was changed.")
    backups.restore(stores, path)
    print("The backup is restored; the API keys are those of then.")


def create_parser(module: str, about: str | None) -> tuple[argparse.ArgumentParser, argparse._SubParsersAction]:  # type: ignore[type-arg]  # argparse names no public type for it
    """The parser of `python -m MODULE COMMAND`, and where a runtime adds commands of its own."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, act, text in (
        ("up", up, "set up what is missing and start everything"),
        ("down", lambda runtime, _: runtime.down(), "stop everything; all data stays"),
        ("restart", lambda runtime, _: runtime.restart(), "start every service anew, without a failed request"),
        ("ps", lambda runtime, _: runtime.ps(), "show what runs"),
        ("logs", lambda runtime, _: runtime.logs(), "follow all logs"),
        ("demo", demo, "shorten, follow and count some hundred real URLs"),
    ):
        commands.add_parser(name, help=text).set_defaults(act=act)
    cleaning = commands.add_parser("clean", help="delete all data")
    cleaning.add_argument("--yes", action="store_true", help="do not ask")
    cleaning.set_defaults(act=clean)
    making = commands.add_parser("key", help="make an API key")
    making.add_argument("--name", default="", help="what it is for")
    making.add_argument("--scopes", default="", help="such as links:read,stats:read; default: admin")
    making.set_defaults(act=key)
    verifying = commands.add_parser("verify", help="compare Redis with PostgreSQL")
    verifying.add_argument("--repair", action="store_true", help="put right what differs")
    verifying.set_defaults(act=verify)
    looking = commands.add_parser("dead-letters", help="look at the clicks that could not be counted")
    looking.add_argument("--replay", action="store_true", help="have them counted again")
    looking.set_defaults(act=dead_letters)
    for name, become in (("psql", "psql"), ("redis-cli", "redis_cli")):
        client = commands.add_parser(name, help=f"open {name} on our server")
        client.add_argument("words", nargs="*", help=f"words for {name}; put -- before them")
        client.set_defaults(act=lambda runtime, options, become=become: getattr(runtime, become)(*options.words))
    saving = commands.add_parser("backup", help="write a backup")
    saving.add_argument("--folder", default="backups")
    saving.set_defaults(act=backup)
    bringing = commands.add_parser("restore", help="replace all data by a backup's")
    bringing.add_argument("file", nargs="?", default="")
    bringing.add_argument("--yes", action="store_true", help="do not ask")
    bringing.set_defaults(act=restore)
    return parser, commands


def give(parser: argparse.ArgumentParser, make_runtime: Callable[[], Runtime]) -> int:
    """Read a command and carry it out; the process's exit code."""
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):  # what is half started is stopped as after Ctrl-C
        signal.signal(number, signal.default_int_handler)
    try:
        options.act(make_runtime(), options)
    except RuntimeFault as fault:
        print(f"\n{fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0
