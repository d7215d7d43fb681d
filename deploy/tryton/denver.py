"""The demo's places, customers and goods around Denver: one description for ERP seed, fleet desk and demo driver.

Every warehouse and delivery address stands *on* a recorded drive: its coordinate is a point of one of the three
tracks that the ``mappymatch`` wheel carries (``mappymatch/resources/traces/sample_trace_<n>.csv``, one point a second,
WGS84). ``point`` is the zero-based data row of that file. Points were chosen in the middle of a stand (traffic lights,
parking), so the vehicle really dwells there.

Geometry, measured on the files::

    track 1  12.6 km, 1053 points: warehouse HAM (0) -> 374 (7.3 km) -> 611 (9.8 km) -> 787 (11.2 km) -> 1007 (end)
    track 2   5.8 km,  799 points: warehouse BAN (0) -> 308 (1.7 km) -> 566 (4.0 km) -> 762 (end)
    track 3  20.8 km, 1466 points: warehouse HAM (0) -> 598 (16.4 km) -> 1127 (19.4 km) -> 1420 (end)

Tracks 1 and 3 start 11 m apart, at warehouse HAM. Any two places are more than 250 m apart, and a track comes within
150 m of a place of its own only around that place's point (the end of a track is one long stand).

Names and street numbers are invented; streets fit the coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

TIMEZONE: Final = "America/Denver"
CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True)
class Place:
    """A postal address with its position on a recorded track.

    ``latitude`` and ``longitude`` are WGS84 degrees as decimal strings, exactly as in the track file. A place without
    ``track`` is on no track; one without coordinates cannot be served (the demo uses it for a refusal).
    """

    code: str
    name: str
    street: str
    postal_code: str
    latitude: str | None
    longitude: str | None
    track: int | None
    point: int | None
    city: str = "Denver"
    country: str = "US"
    subdivision: str = "US-CO"

    @property
    def geo_uri(self) -> str | None:
        """The position as an RFC 5870 URI, the form in which the ERP stores it."""
        return f"geo:{self.latitude},{self.longitude}" if self.latitude and self.longitude else None


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse of the company; ``code`` is its Tryton location code. ``also_starts`` lists further tracks."""

    code: str
    name: str
    place: Place
    also_starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer with its billing address and one or more delivery addresses, the first being the usual one."""

    code: str
    name: str
    billing_street: str
    billing_postal_code: str
    deliveries: tuple[Place, ...]
    served_from: str
    credit_limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """A stocked article. ``weight_kg`` and ``volume_l`` are per sales unit, ``stock`` counts units per warehouse."""

    code: str
    name: str
    price: Decimal
    weight_kg: Decimal
    volume_l: Decimal
    stock: dict[str, int] = field(default_factory=dict)


COMPANY_NAME: Final = "Mile High Provisions, Inc."
COMPANY_STREET: Final = "1600 Glenarm Place"
COMPANY_POSTAL_CODE: Final = "80202"

HAMPDEN: Final = Warehouse(
    "HAM",
    "Hampden Distribution Center",
    Place("HAM", "Hampden Distribution Center", "6060 East Hampden Avenue", "80222", "39.655193", "-104.919294", 1, 0),
    also_starts=(3,),
)
BANNOCK: Final = Warehouse(
    "BAN",
    "Bannock Street Depot",
    Place("BAN", "Bannock Street Depot", "1000 Bannock Street", "80204", "39.731831", "-104.990147", 2, 0),
)
WAREHOUSES: Final = (HAMPDEN, BANNOCK)

CUSTOMERS: Final = (
    Customer(
        "C1001",
        "University Boulevard Grocers",
        "700 South University Boulevard",
        "80209",
        (Place("C1001-D1", "Store", "720 South University Boulevard", "80209", "39.702988", "-104.959294", 1, 374),),
        "HAM",
    ),
    Customer(
        "C1002",
        "Congress Park Outfitters",
        "610 Josephine Street",
        "80206",
        (
            Place("C1002-D1", "Sixth Avenue store", "610 Josephine Street", "80206", "39.725344", "-104.95852", 1, 611),
            Place("C1002-D2", "Colfax store", "1360 Josephine Street", "80206", "39.738226", "-104.958642", 1, 787),
        ),
        "HAM",
    ),
    Customer(
        "C1003",
        "City Park Kitchens",
        "3300 East 18th Avenue",
        "80206",
        (Place("C1003-D1", "Kitchen dock", "3300 East 18th Avenue", "80206", "39.742733", "-104.951658", 1, 1007),),
        "HAM",
    ),
    Customer(
        "C1004",
        "Sherman Street Hotel",
        "1801 Sherman Street",
        "80203",
        (Place("C1004-D1", "Service entrance", "1801 Sherman Street", "80203", "39.743378", "-104.985203", 2, 308),),
        "BAN",
    ),
    Customer(
        "C1005",
        "York Street Clinics",
        "1850 York Street",
        "80206",
        (
            Place("C1005-D1", "Uptown clinic", "1850 York Street", "80206", "39.744358", "-104.959567", 2, 566),
            Place("C1005-D2", "Skyland clinic", "3100 York Street", "80205", "39.75917", "-104.960336", 2, 762),
        ),
        "BAN",
    ),
    Customer(
        "C1006",
        "Platte Valley Events",
        "2000 Elitch Circle",
        "80204",
        (Place("C1006-D1", "Gate 3", "2000 Elitch Circle", "80204", "39.750254", "-105.005038", 3, 598),),
        "HAM",
    ),
    Customer(
        "C1007",
        "Galapago Print Works",
        "640 West Colfax Avenue",
        "80204",
        (Place("C1007-D1", "Loading bay", "640 West Colfax Avenue", "80204", "39.739975", "-104.995573", 3, 1127),),
        "HAM",
    ),
    Customer(
        "C1008",
        "Civic Center Galleries",
        "1330 Bannock Street",
        "80204",
        (Place("C1008-D1", "Rear door", "1330 Bannock Street", "80204", "39.737989", "-104.990321", 3, 1420),),
        "HAM",
        credit_limit=Decimal("500.00"),
    ),
    Customer(
        "C1009",
        "Front Range Pop-ups",
        "PO Box 480",
        "80201",
        (Place("C1009-D1", "To be advised", "Site not yet known", "80201", None, None, None, None),),
        "HAM",
    ),
)

CARRIERS: Final = {
    "MHXF": "Mile High Express Freight",
    "PLVT": "Platte Valley Truck Lines",
    "FRNG": "Front Range Cartage",
}
"""Hauliers that the company pays, by Standard Carrier Alpha Code, which is their party code. Invented."""

PRODUCTS: Final = (
    Product(
        "WATER24",
        "Spring water, case of 24",
        Decimal("9.60"),
        Decimal("12.5"),
        Decimal("18"),
        {"HAM": 4000, "BAN": 4000},
    ),
    Product(
        "FLOUR25",
        "Bread flour, 25 kg bag",
        Decimal("21.50"),
        Decimal("25.2"),
        Decimal("40"),
        {"HAM": 2000, "BAN": 2000},
    ),
    Product(
        "COFFEE5", "Coffee beans, 5 kg bag", Decimal("74.00"), Decimal("5.1"), Decimal("14"), {"HAM": 1500, "BAN": 1500}
    ),
    Product(
        "PAPERA4",
        "Copy paper A4, box of 5",
        Decimal("32.40"),
        Decimal("12.6"),
        Decimal("16"),
        {"HAM": 3000, "BAN": 3000},
    ),
    Product(
        "GLOVESM",
        "Nitrile gloves M, carton of 10",
        Decimal("58.90"),
        Decimal("6.8"),
        Decimal("31"),
        {"HAM": 1200, "BAN": 1200},
    ),
    Product(
        "TENT3X3", "Event tent 3 x 3 m", Decimal("245.00"), Decimal("28"), Decimal("120"), {"HAM": 400, "BAN": 200}
    ),
    # Scarce on purpose: an order for more than these must be refused.
    Product("GENSET2", "Generator 2 kW", Decimal("890.00"), Decimal("24.5"), Decimal("90"), {"HAM": 2}),
    Product("HEATER9", "Patio heater 9 kW", Decimal("310.00"), Decimal("21"), Decimal("150"), {}),
)


def delivery_places() -> dict[str, Place]:
    """All delivery places by code, e.g. ``C1002-D2``."""
    return {place.code: place for customer in CUSTOMERS for place in customer.deliveries}
