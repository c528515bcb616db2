"""Where embedded clusters and built programs are kept."""

import os
from pathlib import Path


def home() -> Path:
    """Embedded clusters and fetched traces: `$FARTHING_HOME`, else the user's data folder."""
    return _folder("FARTHING_HOME", "XDG_DATA_HOME", ".local/share")


def cache() -> Path:
    """Built programs: `$FARTHING_CACHE`, else the user's cache folder."""
    return _folder("FARTHING_CACHE", "XDG_CACHE_HOME", ".cache")


def _folder(own: str, xdg: str, otherwise: str) -> Path:
    if os.environ.get(own):
        return Path(os.environ[own]).expanduser()
    base = os.environ.get(xdg)
    return (Path(base) if base else Path.home() / otherwise) / "farthing"
