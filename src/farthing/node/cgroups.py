"""The cgroups of pods' containers on this node, as kubelet and the container runtime lay them out (cgroup v2).

`kubepods/burstable/pod<uid>/<container>` where kubelet makes them itself,
`kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/<container>.scope` where systemd does. Names
are compared with what is there; no uid ever becomes a part of a path.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

_POD: Final = re.compile(r"(?:.*kubepods.*-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?")
_ABOVE: Final = re.compile(r".*kube.*|burstable|besteffort")
"""Folders in which pods may be; kubelet may be told to keep them in one of its own."""


def containers(root: Path, pods: Iterable[str]) -> Mapping[str, tuple[Path, ...]]:
    """The folders of the containers of these pods, by the pod's uid; of pods without containers here, none."""
    wanted = set(pods)
    found = {uid: tuple(_folders(folder)) for folder, uid in _pods(root) if uid in wanted}
    return {uid: paths for uid, paths in found.items() if paths}


def _pods(folder: Path) -> Iterator[tuple[Path, str]]:
    for inner in _folders(folder):
        if match := _POD.fullmatch(inner.name):
            yield inner, match[1].replace("_", "-")
        elif _ABOVE.fullmatch(inner.name):
            yield from _pods(inner)


def _folders(folder: Path) -> list[Path]:
    """What is below; nothing where it has gone meanwhile."""
    try:
        with os.scandir(folder) as inside:
            return sorted(Path(inner.path) for inner in inside if inner.is_dir(follow_symlinks=False))
    except OSError:
        return []
