"""The OsmAnd protocol as Traccar's server understands it: a query or form, and the JSON of newer phone apps (pure).

Form: speed in knots, `timestamp` in seconds, milliseconds or ISO 8601, `batt` in percent. JSON: speed in metres per
second, -1 where unknown, `battery.level` as a fraction. One thing is stricter than Traccar: a report without its own
time is refused, since it could not be told from its repetition.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from gladhand.errors import InvalidArgument
from logistics.fleet.v1 import DeviceReference
from services.edge_gateway.protocols.fields import Fields, device_id_of, malformed, number_of, read_json
from services.edge_gateway.protocols.motion import Motion
from services.edge_gateway.report import Report
from services.edge_gateway.units import knots_to_mps

__all__ = ["PROVIDER", "parse", "parse_form", "parse_json"]

PROVIDER = "osmand"
_MOST_FIELDS = 200
_MOST_LOCATIONS = 1000


def parse(body: bytes, media_type: str) -> list[Report]:
    """Return the reports in a message. Raises InvalidArgument with reason MALFORMED_MESSAGE.

    `media_type` decides between JSON and form; a body that begins with a brace is JSON whatever it is called.
    """
    if media_type == "application/json" or body.lstrip()[:1] == b"{":
        return parse_json(read_json(body))
    return [parse_form(body)]


def parse_form(body: bytes) -> Report:
    """Return the report in a query or form. Of a field given twice the last one counts. Raises InvalidArgument."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise malformed("body", f"is no form in UTF-8 with at most {_MOST_FIELDS} fields") from error
    form = Fields(dict(pairs))
    device = _named_device(form)
    latitude, longitude = _place(form)
    if not form.has("timestamp"):
        raise malformed("timestamp", "is missing", "configure the device to send the time of the fix")
    speed = form.maybe_number("speed")
    bearing = form.maybe_number("bearing" if form.has("bearing") else "heading")
    valid = form.maybe_boolean("valid")
    motion = Motion(
        occurred=form.moment("timestamp"),
        latitude=latitude,
        longitude=longitude,
        speed_mps=None if speed is None else knots_to_mps(speed),
        heading=bearing,
        altitude_m=form.maybe_number("altitude"),
        accuracy_m=form.maybe_number("accuracy"),
        odometer_m=form.maybe_number("odometer"),
        battery_percent=form.maybe_number("batt"),
        ignition_on=form.maybe_boolean("ignition"),
        valid=True if valid is None else valid,
        driver=form.maybe_text("driverUniqueId", 128),
    )
    return Report(device, motion.sample())


def _named_device(form: Fields) -> DeviceReference:
    for key in ("id", "deviceid"):
        if form.has(key):
            return _device(form.raw(key), "id")
    raise malformed("id", "is missing or empty", "send the device's identifier as id or deviceid")


def _place(form: Fields) -> tuple[float, float]:
    if form.has("location") and not form.has("lat"):
        parts = form.text("location").split(",")
        if len(parts) < 2:
            raise malformed("location", "must be latitude and longitude with a comma between")
        return number_of(parts[0], "location"), number_of(parts[1], "location")
    return form.number("lat"), form.number("lon")


def parse_json(root: Mapping[str, object]) -> list[Report]:
    """Return the reports in a phone app's JSON: one location, or a list of those it kept. Raises InvalidArgument."""
    message = Fields(root)
    device = _device(message.raw("device_id"), "device_id")
    return [_location(device, location) for location in message.items("location", _MOST_LOCATIONS)]


def _location(device: DeviceReference, location: Fields) -> Report:
    if not location.has("coords"):
        raise malformed(location.name("coords"), "is missing", "send locations with a place only")
    place = location.fields("coords")
    battery = location.maybe_fields("battery")
    level = battery.maybe_number("level") if battery is not None else None
    extras = location.maybe_fields("extras")
    motion = Motion(
        occurred=location.moment("timestamp"),
        latitude=place.number("latitude"),
        longitude=place.number("longitude"),
        speed_mps=place.maybe_number("speed"),
        heading=place.maybe_number("heading"),
        altitude_m=place.maybe_number("altitude"),
        accuracy_m=place.maybe_number("accuracy"),
        odometer_m=location.maybe_number("odometer"),
        battery_percent=None if level is None or level < 0 else round(level * 100, 2),
        message_id=location.maybe_text("uuid", 128),
        driver=extras.maybe_text("driverUniqueId", 128) if extras is not None else "",
    )
    return Report(device, motion.sample())


def _device(value: object, field: str) -> DeviceReference:
    try:
        return DeviceReference(provider=PROVIDER, device_id=device_id_of(value, field))
    except InvalidArgument as error:
        raise malformed(field, "does not name a device", "set the device's identifier in the app") from error
