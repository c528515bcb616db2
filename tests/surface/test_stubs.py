"""The messages of kubelet's interfaces are what upstream's protos, as committed, make."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WIRE = ROOT / "src" / "farthing" / "node" / "wire"


def test_committed_stubs_are_as_generated(tmp_path):
    protos = [str(path) for path in sorted(WIRE.glob("*.proto"))]
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{ROOT / 'src'}",
        f"--python_out={tmp_path}",
        f"--pyi_out={tmp_path}",
    ]
    subprocess.run([*command, *protos], check=True)
    made = sorted((tmp_path / "farthing" / "node" / "wire").iterdir())
    assert len(made) == 2 * len(protos)
    for path in made:
        assert (WIRE / path.name).read_text() == path.read_text(), f"{path.name} differs; run `make stubs`"
