"""What sizes of machines a region has, and what an hour of one costs, as the service tells it."""

from __future__ import annotations

from tuneport.replies import Json, number_of, object_in, objects_in, text_in
from tuneport_azureml.adapter.connection import Connection
from tuneport_azureml.errors import translated

NO_CURRENCY = "in a currency that is not told"


def sizes(connection: Connection, region: str) -> dict[str, Json]:
    """The sizes of a region by their names in small letters."""
    where = f"/subscriptions/{connection.place.subscription}/providers/Microsoft.MachineLearningServices/locations/{region}"
    doing = "looking at the sizes"

    def read() -> dict[str, Json]:
        rows = [row for page in connection.rows(f"{where}/vmSizes", doing=doing) for row in page]
        if any(text_in(row, "name") is None for row in rows):
            raise translated(ValueError("a size without a name"), doing=doing)
        return {str(row["name"]).casefold(): row for row in rows}

    return connection.patiently(read)


def size_named(connection: Connection, region: str, name: str) -> Json | None:
    return sizes(connection, region).get(name.casefold())


def price_of(row: Json) -> tuple[float | None, str]:
    """The retail price of an hour of a Linux machine that nobody takes away, and its currency; None where it is not told."""
    prices = object_in(row, "estimatedVMPrices")
    values = [each for each in objects_in(prices, "values") if each.get("osType") == "Linux" and each.get("vmTier") == "Standard"]
    amount = number_of(values[0].get("retailPrice")) if values else None
    return amount, text_in(prices, "billingCurrency") or NO_CURRENCY
