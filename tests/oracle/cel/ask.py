"""Ask Kubernetes' own code about every case and write down its answers: `python -m tests.oracle.cel.ask`."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"

_ABBREVIATED = re.compile(r"(?<![\w\"'.])([AM])(?![\w\"'-])")


def table() -> dict[str, Any]:
    """The devices, and every expression on every device."""
    page = yaml.safe_load((HERE / "cases.yaml").read_text(encoding="utf-8"))
    driver = page["driver"]
    expressions = [_spelled(expression, driver) for group in page["cases"].values() for expression in group]
    pairs = [(device, expression) for expression in expressions for device in page["devices"]]
    return {"driver": driver, "devices": page["devices"], "cases": pairs}


def _spelled(expression: str, driver: str) -> str:
    """The abbreviations of the table, written out."""
    words = {"A": f'device.attributes["{driver}"]', "M": f'device.capacity["{driver}"].memory'}
    return _ABBREVIATED.sub(lambda match: words[match[1]], expression).replace('"D"', f'"{driver}"')


def ask(asked: dict[str, Any]) -> list[list[str]]:
    """Kubernetes' answers: [outcome, what it said] per case. Needs Go and the modules of go.mod."""
    command = [shutil.which("go") or "go", "run", "-mod=readonly", "."]
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}
    done = subprocess.run(
        command, cwd=HERE, input=json.dumps(asked), capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"go run in {HERE} failed: {done.stderr.strip()[-500:]}")
    return list(json.loads(done.stdout))


def expected() -> list[tuple[str, str, str, str]]:
    """The committed answers: (device, expression, outcome, what Kubernetes said)."""
    return [tuple(answer) for answer in json.loads(EXPECTED.read_text(encoding="utf-8"))]


def written(asked: dict[str, Any], answers: list[list[str]]) -> str:
    """The page of answers, one case a line."""
    cases = zip(asked["cases"], answers, strict=True)
    lines = [json.dumps([*case, *answer], ensure_ascii=False) for case, answer in cases]
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    asked = table()
    EXPECTED.write_text(written(asked, ask(asked)), encoding="utf-8")
