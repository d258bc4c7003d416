"""The README's examples, run as they are written."""

import os
import re
import subprocess

from deploy.common.checkout import CHECKOUT


def _shell_blocks(heading: str) -> list[str]:
    """The shell blocks below a heading of the README."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def _run(script: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_link_works_as_the_readme_says(base_url_and_key: tuple[str, str]) -> None:
    url, key = base_url_and_key
    (block,) = _shell_blocks("Your first link")
    script = block.replace("http://localhost:8080", url).replace("KEY=bl_…", f"KEY={key}")
    make, follow, look = (line for line in script.splitlines() if line.startswith("curl "))
    export = next(line for line in script.splitlines() if line.startswith("export "))
    assert '"code": "hello"' in _run(f"{export}\n{make}")
    assert "HTTP/1.1 302" in _run(follow)
    counted = f"{export}\nfor try in $(seq 50); do {look} | grep '\"clicks\": 1' && exit; sleep 0.1; done; exit 1"
    assert '"code": "hello"' in _run(counted)
