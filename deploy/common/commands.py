"""The commands of every runtime, with the same words and messages in each."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from deploy.common import backups
from deploy.common.checkout import CHECKOUT
from deploy.common.console import confirm
from deploy.common.faults import RuntimeFault
from deploy.common.names import SCOPES
from deploy.common.venv import ensure_venv


class Runtime(Protocol):
    """The operations of a runtime. Each raises RuntimeFault, which says what to do, when it cannot be carried out."""

    def up(self) -> str | None:
        """Start everything; return the first admin key if it was created now."""

    def down(self) -> None:
        """Stop everything; all data stays."""

    def restart(self) -> None:
        """Restart every service, without a failed request."""

    def ps(self) -> None:
        """Show the processes or containers."""

    def logs(self) -> None:
        """Follow all logs."""

    def destroy(self) -> None:
        """Stop everything and delete all data."""

    def keys(self, *words: str) -> str:
        """Run `services.writer.api_keys.command` and return its output."""

    def command(self, instance: str, module: str, *words: str) -> None:
        """Replace this process by a module of ours, with the environment of a process (`writer`, `consumer`)."""

    def psql(self, *words: str) -> None:
        """Replace this process by psql."""

    def redis_cli(self, *words: str) -> None:
        """Replace this process by redis-cli."""

    def backup_target(self) -> backups.BackupTarget:
        """The stores and services, as backups need them. Raises RuntimeFault when they do not run."""

    def data(self) -> str:
        """Where all data is, as a phrase for messages."""

    def public_url(self) -> str:
        """The public address."""

    def base_url(self) -> str:
        """The address of nginx from this machine."""


def up(runtime: Runtime, _options: argparse.Namespace) -> None:
    key = runtime.up()
    url = runtime.public_url()
    print(f"\nBoltLink runs at {url} (API: {url}/docs)")
    if key:
        print(f"The first admin key, shown this once: {key}")
    elif os.environ.get("BOLTLINK_ADMIN_KEY") or os.environ.get("BOLTLINK_ADMIN_KEY_FILE"):
        print("The admin key is the one in BOLTLINK_ADMIN_KEY.")
    else:
        print("The admin key was shown at the first start; make key creates another.")
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
    scopes = options.scopes.replace(",", " ").split()
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        known = f"SCOPES may be {', '.join(SCOPES)}, separated by commas."
        raise RuntimeFault(f"There is no scope {', '.join(unknown)}. {known}")
    for scope in scopes:
        words += ["--scope", scope]
    made = runtime.keys("make", *words)
    if not scopes:
        print("An admin key:", file=sys.stderr)
    print(made)


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
    path = backups.backup(runtime.backup_target(), Path(options.folder))
    print(f"Backup: {path} ({path.stat().st_size:,} bytes). Bring it back with: make restore FILE={path}")


def restore(runtime: Runtime, options: argparse.Namespace) -> None:
    if not options.file:
        raise RuntimeFault("Say which backup: make restore FILE=backups/boltlink-….dump")
    target, path = runtime.backup_target(), Path(options.file)
    backups.check(target, path)
    if not options.yes and not confirm(f"This replaces every link and every click by those of {path}."):
        raise RuntimeFault("Nothing was changed.")
    backups.restore(target, path)
    print("The backup is restored; the API keys are those of the backup.")


def create_parser(module: str, about: str | None) -> tuple[argparse.ArgumentParser, argparse._SubParsersAction]:  # type: ignore[type-arg]  # argparse names no public type for it
    """The parser of `python -m MODULE COMMAND`, and its subparsers, to which a runtime adds its own commands."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, act, text in (
        ("up", up, "set up what is missing and start everything"),
        ("down", lambda runtime, _: runtime.down(), "stop everything; all data stays"),
        ("restart", lambda runtime, _: runtime.restart(), "restart every service, without a failed request"),
        ("ps", lambda runtime, _: runtime.ps(), "show the processes or containers"),
        ("logs", lambda runtime, _: runtime.logs(), "follow all logs"),
        ("demo", demo, "shorten, follow and count some hundred real URLs"),
    ):
        commands.add_parser(name, help=text).set_defaults(act=act)
    cleaning = commands.add_parser("clean", help="delete all data")
    cleaning.add_argument("--yes", action="store_true", help="do not ask")
    cleaning.set_defaults(act=clean)
    making = commands.add_parser("key", help="create an API key")
    making.add_argument("--name", default=os.environ.get("BOLTLINK_KEY_NAME", ""), help="what it is for")
    making.add_argument(
        "--scopes",
        default=os.environ.get("BOLTLINK_KEY_SCOPES", ""),
        help="such as links:read,stats:read; default: admin",
    )
    making.set_defaults(act=key)
    checking = commands.add_parser("verify", help="compare Redis with PostgreSQL")
    checking.add_argument("--repair", action="store_true", help="put right what differs")
    checking.set_defaults(act=verify)
    looking = commands.add_parser("dead-letters", help="look at the clicks that could not be counted")
    looking.add_argument("--replay", action="store_true", help="have them counted again")
    looking.set_defaults(act=dead_letters)
    for name, become in (("psql", "psql"), ("redis-cli", "redis_cli")):
        client = commands.add_parser(name, help=f"open {name} on our server")
        client.add_argument("words", nargs="*", help=f"arguments for {name}; put -- before them")
        client.set_defaults(act=lambda runtime, options, become=become: getattr(runtime, become)(*options.words))
    saving = commands.add_parser("backup", help="write a backup")
    saving.add_argument("--folder", default="backups")
    saving.set_defaults(act=backup)
    bringing = commands.add_parser("restore", help="replace all data by that of a backup")
    bringing.add_argument("file", nargs="?", default="")
    bringing.add_argument("--yes", action="store_true", help="do not ask")
    bringing.set_defaults(act=restore)
    return parser, commands


def run_command(parser: argparse.ArgumentParser, make_runtime: Callable[[], Runtime]) -> int:
    """Read a command, carry it out, and return the exit code of the process."""
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):  # they stop a start half-way, as Ctrl-C does
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
