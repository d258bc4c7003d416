"""The runtime in containers: `python -m compose COMMAND`. The Makefile's targets call it; `make` alone lists them."""

import argparse
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from compose.containers import Containers
from compose.engine import DOOR, SERVICES, Engine, answers, make_secrets
from local import backups, choice
from local.console import confirm, step
from local.packages import ensure_venv
from local.settings import CHECKOUT, RuntimeFault, read_env_file

_READY_SECONDS = 60.0


def _door_url() -> str:
    port = os.environ.get("BOLTLINK_PORT") or "80"
    return "http://127.0.0.1" + ("" if port == "80" else f":{port}")


def _public_url() -> str:
    return os.environ.get("BOLTLINK_PUBLIC_URL") or _door_url().replace("127.0.0.1", "localhost")


def _up(engine: Engine, _options: argparse.Namespace) -> None:
    print("BoltLink in containers, by Docker Compose (make up-compose; without Docker: make up-local)", flush=True)
    engine.require()
    if choice.other_runs("compose"):
        raise RuntimeFault("BoltLink runs without Docker here; stop it first: make down")
    choice.remember("compose")
    make_secrets()
    os.environ.setdefault("BOLTLINK_PUBLIC_URL", _public_url())
    engine.show("build")
    engine.show("up", "-d", "--wait", "--remove-orphans")
    with step("Waiting until the door is ready"):
        _wait_ready()
    given = os.environ.get("BOLTLINK_ADMIN_KEY", "")
    key = engine.run_once("python", "-m", "services.writer.keys", "first", env={"BOLTLINK_ADMIN_KEY": given})
    url = _public_url()
    print(f"\nBoltLink runs at {url} (API: {url}/docs)")
    if key:
        print(f"The first admin key, shown this once: {key}")
    elif not given:
        print("The admin key was shown at the first start; make key makes another.")
    print("\nShorten your first URL:\n")
    print(
        f"""  curl {url}/links -H 'Authorization: Bearer {key or "KEY"}' --json '{{"url": "https://example.com/"}}'\n"""
    )


def _wait_ready() -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{_door_url()}/ready", timeout=3):  # noqa: S310  # always http
                return
        except OSError as fault:
            if time.monotonic() > deadline:
                raise RuntimeFault(f"The door is not ready at {_door_url()}: {fault}; see make logs") from fault
            time.sleep(0.2)


def _down(engine: Engine, _options: argparse.Namespace) -> None:
    engine.show("down", "--remove-orphans")
    choice.forget()


def _ps(engine: Engine, _options: argparse.Namespace) -> None:
    engine.become("ps", "-a")


def _logs(engine: Engine, _options: argparse.Namespace) -> None:
    engine.become("logs", "-f", "--tail", "20")


def _restart(engine: Engine, _options: argparse.Namespace) -> None:
    Containers(engine)
    for name in SERVICES:
        with step(f"Restarting {name}"):
            # HUP: gunicorn starts a new worker before it ends the old one, on the same socket.
            engine.compose("kill", "-s", "HUP", name)
            engine.compose("up", "-d", "--wait", "--no-recreate", "--no-deps", name)
    engine.compose("exec", "-T", DOOR, "nginx", "-e", "stderr", "-c", "/tmp/nginx/nginx.conf", "-s", "reload")  # noqa: S108


def _clean(engine: Engine, options: argparse.Namespace) -> None:
    if not options.yes and not confirm("This deletes every link and every click in the containers' volumes for good."):
        raise RuntimeFault("Nothing was deleted.")
    engine.show("down", "--volumes", "--remove-orphans")
    choice.forget()


def _key(engine: Engine, options: argparse.Namespace) -> None:
    words = ["--name", options.name] if options.name else []
    for scope in options.scopes.replace(",", " ").split():
        words += ["--scope", scope]
    print(engine.run_once("python", "-m", "services.writer.keys", "make", *words))


def _psql(engine: Engine, options: argparse.Namespace) -> None:
    engine.become("exec", *_terminal(), "postgres", "psql", "-U", "boltlink", *options.words)


def _redis_cli(engine: Engine, options: argparse.Namespace) -> None:
    script = 'REDISCLI_AUTH=$(cat /run/secrets/redis) exec redis-cli "$@"'
    engine.become("exec", *_terminal(), "redis", "sh", "-c", script, "redis-cli", *options.words)


def _backup(engine: Engine, options: argparse.Namespace) -> None:
    path = backups.backup(Containers(engine), Path(options.folder))
    print(f"Backup: {path} ({path.stat().st_size:,} bytes). Bring it back with: make restore FILE={path}")


def _restore(engine: Engine, options: argparse.Namespace) -> None:
    if not options.file:
        raise RuntimeFault("Say which backup: make restore FILE=backups/boltlink-….dump")
    if not options.yes and not confirm(f"This replaces every link and every click by those of {options.file}."):
        raise RuntimeFault("Nothing was changed.")
    backups.restore(Containers(engine), Path(options.file))
    print("The backup is restored; the API keys are those of then.")


def _demo(engine: Engine, _options: argparse.Namespace) -> None:
    Containers(engine)
    python = ensure_venv("dev")
    words = ["make", "--name", "demo", "--hours", "1", "--scope", "links:write", "--scope", "stats:read"]
    key = engine.run_once("python", "-m", "services.writer.keys", *words)
    os.chdir(CHECKOUT)
    os.execve(
        str(python), [str(python), "-m", "demo"], {**os.environ, "BOLTLINK_URL": _door_url(), "BOLTLINK_KEY": key}
    )


def _detect(_engine: Engine, _options: argparse.Namespace) -> None:
    print("compose" if answers() else "local")


def _secrets(_engine: Engine, _options: argparse.Namespace) -> None:
    make_secrets()


def _terminal() -> list[str]:
    return [] if sys.stdin.isatty() else ["-T"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m compose", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, act, about in (
        ("up", _up, "build the images and start everything"),
        ("down", _down, "stop everything; all data stays in the volumes"),
        ("ps", _ps, "show the containers"),
        ("logs", _logs, "follow all logs"),
        ("restart", _restart, "start every service anew, without a failed request"),
        ("demo", _demo, "shorten, follow and count some hundred real URLs"),
        ("detect", _detect, "say which runtime make up takes"),
        ("secrets", _secrets, "make the secrets that are missing"),
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
    return parser


def main() -> int:
    options = _parser().parse_args()
    try:
        for name, value in read_env_file(CHECKOUT / ".env").items():
            os.environ.setdefault(name, value)
        options.act(Engine(), options)
    except RuntimeFault as fault:
        print(f"\n{fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
