"""The start of a process: read its settings, configure its logs, serve its application."""

import os
from collections.abc import Callable, Mapping
from typing import Protocol, Self, TypeVar

from aiohttp import web

from shared.http.server import serve
from shared.process import logging as logs
from shared.process.settings import InstanceSettings


class ProcessSettings(Protocol):
    """The settings of a process."""

    @property
    def instance(self) -> InstanceSettings: ...

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self: ...


Settings = TypeVar("Settings", bound=ProcessSettings)


def serve_from_env(settings_class: type[Settings], create_app: Callable[[Settings], web.Application]) -> web.AppRunner:
    """A runner for the application that `create_app` makes from the environment. Raises SettingsError."""
    settings = settings_class.from_env(os.environ)
    logs.configure(settings.instance.instance_id, settings.instance.log_level)
    return serve(create_app(settings))
