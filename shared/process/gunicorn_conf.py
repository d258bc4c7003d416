"""gunicorn's configuration for every service: one worker per process, so that /metrics covers the whole process."""

import gc
import os

bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ['PORT']}"
workers = 1
worker_class = "aiohttp.GunicornUVLoopWebWorker"
worker_tmp_dir = "/dev/shm"  # noqa: S108  # in memory, because the heartbeat must not wait for a disk
timeout = 30
graceful_timeout = 20
control_socket_disable = True  # all instances on a machine would share its path under the home directory
accesslog = None  # nginx keeps the access log
errorlog = "-"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "shared.process.logging.JsonFormatter", "instance_id": os.environ.get("INSTANCE_ID", "boltlink")}
    },
    "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["json"]},
    "loggers": {
        name: {"level": "INFO", "handlers": [], "propagate": True} for name in ("gunicorn.error", "gunicorn.access")
    },
}
proc_name = os.environ.get("INSTANCE_ID", "boltlink")


def post_worker_init(_worker: object) -> None:
    """Exclude the objects of the loaded application from garbage collection, because they are never freed."""
    gc.collect()
    gc.freeze()
