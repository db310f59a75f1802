"""The Czech country, regions and counties: codebooks of ours, because the registers give only their codes.

``id`` is the code of the Czech Statistical Office; ``register`` is the code that registers use, which is the same but
for Prague: it is a region and a county, both 1100 in the registers, and the county's own code is 1199.
"""

from functools import cache
from importlib import resources

from skrutinium_server.election.formats.csv_table import Row, rows
from skrutinium_server.election.model import Area

COUNTRY = Area(id="CZ", kind="country", name="Česká republika", parent=None, nuts="CZ")


@cache
def regions() -> dict[str, Area]:
    """Regions (*kraje*) by the code in the registers."""
    return {
        row.text("register"): Area(row.text("id"), "region", row.text("name"), COUNTRY.id, row.text("nuts"))
        for row in _codebook("cz-regions.csv", ("id", "register", "nuts", "name"))
    }


@cache
def counties() -> dict[str, Area]:
    """Counties (*okresy*) by the code in the registers."""
    by_code = regions()
    return {
        row.text("register"): Area(
            row.text("id"), "county", row.text("name"), by_code[row.text("region")].id, row.text("nuts")
        )
        for row in _codebook("cz-counties.csv", ("id", "register", "region", "nuts", "name"))
    }


def _codebook(file: str, columns: tuple[str, ...]) -> list[Row]:
    data = resources.files("skrutinium_server").joinpath("_contract/codebooks", file).read_bytes()
    return list(rows(file, data, columns, encoding="utf-8", delimiter=",", exact=True))
