"""`python -m services.api_contract.command` (`make openapi`): write the OpenAPI document that the writer serves."""

import json
from pathlib import Path
from typing import Final

from services.api_contract.document import document

FILE: Final = Path(__file__).parents[1] / "writer" / "api_docs" / "openapi.json"


def text() -> str:
    """The content of the file."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
