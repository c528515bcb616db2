"""Can this cluster carry Farthing at all? Asked before anything is written."""

from typing import Any, Final, Protocol

from farthing.model.errors import NotFoundError, UnsupportedError

OLDEST: Final = (1, 36)
"""The first Kubernetes with mutating admission policies and consumable capacity in the stable API."""

NEEDED: Final = {
    "/apis/resource.k8s.io/v1": ("resourceclaims", "resourceclaimtemplates", "resourceslices", "deviceclasses"),
    "/apis/admissionregistration.k8s.io/v1": (
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ),
}


class Server(Protocol):
    """All that is asked of a connection here."""

    async def get(self, path: str) -> dict[str, Any]:
        """The JSON under a path; NotFoundError where there is none."""


async def check_server(connection: Server) -> str:
    """The version of the cluster, such as v1.37.2; UnsupportedError says what is missing."""
    version = await connection.get("/version")
    found = (_number(version["major"]), _number(version["minor"]))
    if found < OLDEST:
        raise UnsupportedError(
            f"the cluster is Kubernetes {version['gitVersion']}; Farthing needs {OLDEST[0]}.{OLDEST[1]} or newer, "
            "where admission policies can change pods and devices can be shared. Nothing was changed"
        )
    for group, resources in NEEDED.items():
        missing = sorted(set(resources) - await _served(connection, group))
        if missing:
            raise UnsupportedError(
                f"the API server ({version['gitVersion']}) does not serve {', '.join(missing)} of "
                f"{group.removeprefix('/apis/')}; take care that --runtime-config and --feature-gates do not switch "
                "them off. Nothing was changed"
            )
    return str(version["gitVersion"])


async def _served(connection: Server, group: str) -> set[str]:
    try:
        return {resource["name"] for resource in (await connection.get(group))["resources"]}
    except NotFoundError:
        return set()


def _number(text: str) -> int:
    """The number in "36+", as some providers write it."""
    digits = "".join(character for character in text if character.isdigit())
    return int(digits) if digits else 0
