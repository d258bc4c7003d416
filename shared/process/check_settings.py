"""Check the settings of a process before it starts: `python -m shared.process.check_settings MODULE:CLASS`."""

import importlib
import os
import sys

from shared.domain.errors import SettingsError

if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    try:
        getattr(importlib.import_module(module), name).from_env(os.environ)
    except SettingsError as fault:
        sys.exit(str(fault))
