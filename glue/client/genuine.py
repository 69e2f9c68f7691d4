"""Is this really ours? Ed25519 signatures (RFC 8032) by Python alone, and the check of a bundle before any of it runs.

The installers carry this very file, so it imports nothing but the standard library. It only verifies: no secret passes through it, so its
timing tells nobody anything.
"""

import base64
import binascii
import hashlib
import io
import shutil
import sys
import tarfile
from pathlib import Path

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
BUNDLE, LICENSE = "coditect.tar.gz", "offline.json"
LARGEST_BUNDLE = 64 * 2**20
Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z
ZERO: Point = (0, 1, 1, 0)


class NotGenuine(Exception):
    """What was fetched is not what the key's owner signed."""


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) over ``message`` was made with the private half of ``public_key`` (32 bytes)."""
    owner, seen = _point(public_key), _point(signature[:32])
    factor = int.from_bytes(signature[32:], "little")
    if owner is None or seen is None or len(signature) != 64 or factor >= L:
        return False
    digest = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % L
    left, right = _times(factor, BASE), _add(seen, _times(digest, owner))
    return all((left[axis] * right[2] - right[axis] * left[2]) % P == 0 for axis in (0, 1))


def _add(one: Point, other: Point) -> Point:
    a, b = (one[1] - one[0]) * (other[1] - other[0]) % P, (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(factor: int, point: Point) -> Point:
    total = ZERO
    while factor:
        if factor & 1:
            total = _add(total, point)
        point, factor = _add(point, point), factor >> 1
    return total


def _point(encoded: bytes) -> Point | None:
    """The point that 32 bytes stand for; None when they stand for none."""
    if len(encoded) != 32:
        return None
    number = int.from_bytes(encoded, "little")
    y, odd = number % 2**255, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_ONE % P
    if y >= P or x * x % P != square or (x == 0 and odd):
        return None
    x = P - x if x & 1 != odd else x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or ZERO


def check(content: bytes, *, sha256: str, signature: str, public_key: str) -> None:
    """Compare checksum and signature (base64) with the pinned ``public_key`` (base64). Raises NotGenuine."""
    if hashlib.sha256(content).hexdigest() != sha256.partition(" ")[0]:
        raise NotGenuine("The bundle is damaged: its checksum is another one. Nothing of it was run; get it again.")
    try:
        good = is_signed(base64.b64decode(public_key), content, base64.b64decode(signature, validate=True))
    except (binascii.Error, ValueError):
        good = False
    if not good:
        raise NotGenuine("The bundle was not signed by the key of this installer. Nothing of it was run. Tell the people you got it from.")


def open_bundle(folder: Path, *, public_key: str, sha256: str, offline: Path | None = None) -> None:
    """Check the bundle in ``folder`` (or the file ``offline``, carried here), then unpack exactly the checked bytes to ``folder/bundle``."""
    if offline is None:
        parts = {file.name: file.read_bytes() for file in folder.glob(f"{BUNDLE}*")} | {f"{BUNDLE}.sha256": sha256.encode()}
    else:
        parts = _carried(offline)
    names = [name for name in (BUNDLE, LICENSE) if name in parts or name == BUNDLE]
    for name in names:
        missing = {name, f"{name}.sha256", f"{name}.sig"} - parts.keys()
        if missing:
            raise NotGenuine(f"The bundle is not complete: {', '.join(sorted(missing))} is missing. Nothing of it was run.")
        check(parts[name], sha256=_text(parts[f"{name}.sha256"]), signature=_text(parts[f"{name}.sig"]), public_key=public_key)
    target = folder / "bundle"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    for name, wheel in _files(parts[BUNDLE]).items():
        (target / Path(name).name).write_bytes(wheel)
    if LICENSE in names:
        (target / LICENSE).write_bytes(parts[LICENSE])


def _text(content: bytes) -> str:
    return content.decode("ascii", errors="replace").strip()


def _carried(file: Path) -> dict[str, bytes]:
    if not file.is_file():
        raise NotGenuine(f"There is no file {file}.")
    return _files(file.read_bytes())


def _files(packed: bytes) -> dict[str, bytes]:
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            members = [member for member in archive.getmembers() if member.isfile()]
            if sum(member.size for member in members) > LARGEST_BUNDLE:
                raise NotGenuine("The bundle is larger than any of ours.")
            opened = {member.name: archive.extractfile(member) for member in members}
            return {name: stream.read() for name, stream in opened.items() if stream}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise NotGenuine(f"This is no bundle: {error}") from error


def main(arguments: list[str]) -> int:
    """What the installers run: the folder, the pinned key and checksum, and a carried bundle or nothing. Exit code 5: not genuine."""
    folder, public_key, sha256, *carried = arguments
    try:
        open_bundle(Path(folder), public_key=public_key, sha256=sha256, offline=Path(carried[0]) if carried else None)
    except NotGenuine as error:
        sys.stderr.write(f"{error}\n")
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
