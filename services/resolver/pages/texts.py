"""The pages for people, loaded at the start."""

from importlib import resources
from typing import Final

_FOLDER: Final = resources.files("services.resolver") / "pages"

PAGE_OF_STATUS: Final = {
    status: _FOLDER.joinpath(f"{status}.html").read_text(encoding="utf-8") for status in (404, 410, 503)
}
"""`{request_id}` in it stands for the request's id."""

HOME: Final = _FOLDER.joinpath("home.html").read_text(encoding="utf-8")
ICON: Final = _FOLDER.joinpath("icon.svg").read_bytes()
