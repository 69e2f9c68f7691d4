"""Installer: the client packed from the very code that runs here, signed, and the two scripts that check it before anything runs."""

from portal.installer.bundle import Bundle, pack
from portal.installer.installer import Installer

__all__ = ["Bundle", "Installer", "pack"]
