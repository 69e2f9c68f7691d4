"""Client: what a customer's program imports: check, consume, hold, usage, machines and license files. Imports nothing of glue."""

from glue.client.client import CheckedOut, Client, Hold
from glue.client.errors import BadLicenseFile, ClientError, Refused, Unreachable
from glue.client.license_files import LicenseFacts, verify_license_file
from glue.client.machine import fingerprint

__all__ = [
    "BadLicenseFile",
    "CheckedOut",
    "Client",
    "ClientError",
    "Hold",
    "LicenseFacts",
    "Refused",
    "Unreachable",
    "fingerprint",
    "verify_license_file",
]
