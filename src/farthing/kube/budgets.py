"""What Budget objects say of how they stand."""

from farthing.kube.connection import Connection, Json


async def write_standing(connection: Connection, name: str, status: Json) -> None:
    """Write a budget's status; NotFoundError where the object is gone."""
    await connection.patch(f"/apis/farthing.dev/v1alpha1/budgets/{name}/status", {"status": status})
