"""Billing data as a person gives them: what is required and what it must look like."""

import re
from collections.abc import Mapping

from glue.errors import BadInput

COUNTRIES = {"AT": "Austria", "BE": "Belgium", "BR": "Brazil", "CA": "Canada", "CH": "Switzerland", "DE": "Germany", "DK": "Denmark", "ES": "Spain", "FI": "Finland", "FR": "France", "GB": "United Kingdom", "IE": "Ireland", "IT": "Italy", "LU": "Luxembourg", "MX": "Mexico", "NL": "Netherlands", "NO": "Norway", "PL": "Poland", "PT": "Portugal", "SE": "Sweden", "US": "United States"}  # fmt: skip
_VAT = re.compile(r"[A-Z]{2}[A-Z0-9+*.]{2,13}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_REQUIRED = {
    "billing_email": "Please give an e-mail address.",
    "line1": "Please give a street.",
    "zipcode": "Please give a postal code.",
    "city": "Please give a city.",
}


def check_billing(given: Mapping[str, str]) -> None:
    """Raises BadInput naming the first field that cannot be used."""
    for name, text in _REQUIRED.items():
        if not given.get(name):
            raise BadInput(text, field=name)
    for name in (*_REQUIRED, "legal_name"):
        if len(given.get(name, "")) > 200:
            raise BadInput("Please give at most 200 characters.", field=name)
    if not _EMAIL.fullmatch(given["billing_email"]):
        raise BadInput("This is not an e-mail address.", field="billing_email")
    if given.get("country") not in COUNTRIES:
        raise BadInput("Please choose a country.", field="country")
    if given.get("tax_id") and not _VAT.fullmatch(given["tax_id"]):
        raise BadInput("A VAT number begins with two letters of the country, for example DE123456789.", field="tax_id")
