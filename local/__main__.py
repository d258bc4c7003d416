"""The local runtime: `python -m local COMMAND`. The Makefile's targets call it; `make` alone lists them."""

import argparse
import os
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  # for whoever calls it with another Python
    sys.exit(
        f"BoltLink needs Python 3.11; this is {sys.version.split()[0]}. Name another one: make up PYTHON=python3.11"
    )

from local import backups, choice, postgres, runtime
from local.console import confirm
from local.packages import ensure_venv, find_servers
from local.processes import Processes
from local.settings import CHECKOUT, LocalSettings, RuntimeFault, read_settings
from local.state import secret
from local.supervision import Supervisor


def _up(settings: LocalSettings, _options: argparse.Namespace) -> None:
    print("BoltLink without Docker (make up-local; in containers: make up-compose)", flush=True)
    if choice.other_runs("local"):
        raise RuntimeFault("BoltLink runs in containers here; stop them first: make down")
    key = runtime.up(settings)
    choice.remember("local")
    url = settings.public_url
    print(f"\nBoltLink runs at {url} (API: {url}/docs)")
    if key:
        print(f"The first admin key, shown this once: {key}")
    elif settings.admin_key:
        print("The admin key is the one in BOLTLINK_ADMIN_KEY.")
    else:
        print("The admin key was shown at the first start; make key makes another.")
    print("\nShorten your first URL:\n")
    print(
        f"""  curl {url}/links -H 'Authorization: Bearer {key or "KEY"}' --json '{{"url": "https://example.com/"}}'\n"""
    )


def _down(settings: LocalSettings, _options: argparse.Namespace) -> None:
    print("BoltLink is stopped." if runtime.down(settings) else "BoltLink does not run here.")
    choice.forget()


def _ps(settings: LocalSettings, _options: argparse.Namespace) -> None:
    supervisor = Supervisor(settings)
    runtime.require_running(supervisor)
    for process in supervisor.processes():
        port = settings.http_ports.get(process.name) or {
            "nginx": settings.port, "postgres": settings.postgres_port, "redis": settings.redis_port
        }[process.name]  # fmt: skip
        print(f"{process.name:<12} {process.state:<9} port {port:<6} {process.description}")


def _logs(settings: LocalSettings, _options: argparse.Namespace) -> None:
    files = sorted(settings.logs.glob("*.log"))
    if not files:
        raise RuntimeFault(f"There are no logs in {settings.logs}; start BoltLink with: make up")
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])  # wherever it is installed


def _restart(settings: LocalSettings, _options: argparse.Namespace) -> None:
    runtime.restart(settings)
    print("Every service has been started anew; no request was refused meanwhile.")


def _clean(settings: LocalSettings, options: argparse.Namespace) -> None:
    if not options.yes and not confirm(f"This deletes every link and every click in {settings.state} for good."):
        raise RuntimeFault("Nothing was deleted.")
    runtime.down(settings)
    runtime.remove_state(settings)
    print("All data is deleted.")


def _key(settings: LocalSettings, options: argparse.Namespace) -> None:
    runtime.require_running(Supervisor(settings))
    words = ["--name", options.name] if options.name else []
    for scope in options.scopes.replace(",", " ").split():
        words += ["--scope", scope]
    print(runtime.run_python(settings, "services.writer.keys", "make", *words, what="No key was made"))


def _psql(settings: LocalSettings, options: argparse.Namespace) -> None:
    runtime.require_running(Supervisor(settings))
    program = str(find_servers().postgres_bin / "psql")
    os.execve(program, ["psql", *options.words], postgres.client_env(settings))


def _redis_cli(settings: LocalSettings, options: argparse.Namespace) -> None:
    runtime.require_running(Supervisor(settings))
    env = {**os.environ, "REDISCLI_AUTH": secret(settings, "redis")}
    program = str(find_servers().redis_cli)
    os.execve(program, ["redis-cli", "-h", "127.0.0.1", "-p", str(settings.redis_port), *options.words], env)


def _backup(settings: LocalSettings, options: argparse.Namespace) -> None:
    path = backups.backup(Processes(settings, find_servers()), Path(options.folder))
    print(f"Backup: {path} ({path.stat().st_size:,} bytes). Bring it back with: make restore FILE={path}")


def _restore(settings: LocalSettings, options: argparse.Namespace) -> None:
    if not options.file:
        raise RuntimeFault("Say which backup: make restore FILE=backups/boltlink-….dump")
    if not options.yes and not confirm(f"This replaces every link and every click by those of {options.file}."):
        raise RuntimeFault("Nothing was changed.")
    backups.restore(Processes(settings, find_servers()), Path(options.file))
    print("The backup is restored; the API keys are those of then.")


def _demo(settings: LocalSettings, _options: argparse.Namespace) -> None:
    runtime.require_running(Supervisor(settings))
    python = ensure_venv("dev")  # more packages, so more real URLs
    scopes = ["--scope", "links:write", "--scope", "stats:read"]
    words = ["make", "--name", "demo", "--hours", "1", *scopes]
    key = runtime.run_python(settings, "services.writer.keys", *words, what="No key was made")
    env = {**os.environ, "BOLTLINK_URL": settings.door_url, "BOLTLINK_KEY": key}
    os.chdir(CHECKOUT)
    os.execve(str(python), [str(python), "-m", "demo"], env)


def _venv(_settings: LocalSettings, options: argparse.Namespace) -> None:
    ensure_venv(options.requirements)


def _servers(_settings: LocalSettings, _options: argparse.Namespace) -> None:
    find_servers()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, act, about in (
        ("up", _up, "set up what is missing and start everything"),
        ("down", _down, "stop everything; all data stays"),
        ("ps", _ps, "show the processes"),
        ("logs", _logs, "follow all logs"),
        ("restart", _restart, "start every service anew, without a failed request"),
        ("demo", _demo, "shorten, follow and count some hundred real URLs"),
        ("servers", _servers, "install the servers that are missing"),
    ):
        commands.add_parser(name, help=about).set_defaults(act=act)
    clean = commands.add_parser("clean", help="delete all data")
    clean.add_argument("--yes", action="store_true", help="do not ask")
    clean.set_defaults(act=_clean)
    key = commands.add_parser("key", help="make an API key")
    key.add_argument("--name", default="", help="what it is for")
    key.add_argument("--scopes", default="", help="such as links:read,stats:read; default: admin")
    key.set_defaults(act=_key)
    for name, passing in (("psql", _psql), ("redis-cli", _redis_cli)):
        client = commands.add_parser(name, help=f"open {name} on our server")
        client.add_argument("words", nargs="*", help=f"words for {name}; put -- before them")
        client.set_defaults(act=passing)
    saving = commands.add_parser("backup", help="write a backup")
    saving.add_argument("--folder", default="backups")
    saving.set_defaults(act=_backup)
    bringing = commands.add_parser("restore", help="replace all data by a backup's")
    bringing.add_argument("file", nargs="?", default="")
    bringing.add_argument("--yes", action="store_true", help="do not ask")
    bringing.set_defaults(act=_restore)
    venv = commands.add_parser("venv", help="install the Python packages")
    venv.add_argument("requirements", choices=("runtime", "dev"))
    venv.set_defaults(act=_venv)
    return parser


def main() -> int:
    options = _parser().parse_args()
    try:
        options.act(read_settings(), options)
    except RuntimeFault as fault:
        print(f"\n{fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
