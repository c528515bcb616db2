"""The driver profiles that come with Farthing, and one for any other driver of whole devices."""

from typing import Any, Final

from farthing.api.names import OWN_DRIVER
from farthing.api.types import GROUP, VERSION, DriverProfile, DriverProfileSpec

NVIDIA_DRIVER: Final = "gpu.nvidia.com"

BUILT_IN: Final = {
    spec.driver: spec
    for spec in (
        DriverProfileSpec(
            driver=OWN_DRIVER,
            vendor="nvidia",
            memory="memory",
            compute="compute",
            model_attribute="model",
            profile_attribute="profile",
        ),
        DriverProfileSpec(
            driver=NVIDIA_DRIVER,
            vendor="nvidia",
            memory="memory",
            model_attribute="productName",
            profile_attribute="profile",
        ),
    )
}


def profile_of(driver: str) -> DriverProfileSpec:
    """The built-in profile of a driver, else a generic one: whole devices only, of a model that nobody knows.

    Raises pydantic's ValidationError where `driver` is not the name of a driver.
    """
    return BUILT_IN.get(driver) or DriverProfileSpec(driver=driver)


def profile_object(spec: DriverProfileSpec) -> dict[str, Any]:
    """The profile as the object that is applied to a cluster."""
    body = DriverProfile(spec=spec).model_dump(by_alias=True, exclude_none=True, mode="json")
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": DriverProfile.__name__,
        "metadata": {"name": spec.driver},
        **body,
    }
