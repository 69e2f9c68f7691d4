"""License and machine files: a signed snapshot, plain or encrypted, that is checked without the network."""

import base64
import hashlib
import secrets
import uuid
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.body import read_meta
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.keys import ALGORITHMS
from glue.sandbox.keygen.license_keys import FILE_SIGNERS
from glue.sandbox.keygen.problems import bad_request
from glue.sandbox.keygen.schema import BOOLEAN, STRING, STRINGS, Attribute
from glue.sandbox.keygen.states import as_bool, entitlements_of, policy_of, user_ids
from glue.sandbox.keygen.times import MONTH_SECONDS, add_seconds, to_text
from glue.sandbox.keygen.wire import dump

_META = {"encrypt": BOOLEAN, "algorithm": STRING, "ttl": Attribute("any"), "include": STRINGS}
_MIN_TTL_SECONDS = 3600
_LICENSE_INCLUDES = ("product", "policy", "group", "owner", "users", "entitlements")
_MACHINE_INCLUDES = ("license", "owner", "group", "components", *(f"license.{name}" for name in _LICENSE_INCLUDES if name != "group"))
_LINE = 60


@route("POST", "licenses/*/actions/check-out", "license.check-out")
async def check_out_license(call: Call, wanted: str) -> Answer:
    row = call.find("licenses", wanted)
    return _as_document(call, row, read_meta(call.body, _META))


@route("GET", "licenses/*/actions/check-out", "license.check-out")
async def download_license_file(call: Call, wanted: str) -> Answer:
    row = call.find("licenses", wanted)
    return _as_file(call, row, _meta_of_query(call.query))


@route("POST", "machines/*/actions/check-out", "machine.check-out")
async def check_out_machine(call: Call, wanted: str) -> Answer:
    row = call.find("machines", wanted)
    return _as_document(call, row, read_meta(call.body, _META))


@route("GET", "machines/*/actions/check-out", "machine.check-out")
async def download_machine_file(call: Call, wanted: str) -> Answer:
    row = call.find("machines", wanted)
    return _as_file(call, row, _meta_of_query(call.query))


def _as_document(call: Call, row: Row, meta: dict[str, Any]) -> Answer:
    file = _check_out(call, row, meta)
    related = [row] if row["type"] == "licenses" else [call.account.need("licenses", row["license"]), row]
    return Answer(200, {"data": call.render.file(file, related)})


def _as_file(call: Call, row: Row, meta: dict[str, Any]) -> Answer:
    file = _check_out(call, row, meta)
    extension = "lic" if row["type"] == "licenses" else "mic"
    headers = {"content-disposition": f'attachment; filename="{row["id"]}.{extension}"', "content-type": "application/octet-stream"}
    return Answer(200, raw=file["certificate"].encode(), headers=headers)


def _meta_of_query(query: dict[str, Any]) -> dict[str, Any]:
    meta: dict[str, Any] = {name: query[name] for name in ("algorithm", "ttl") if name in query}
    if "encrypt" in query:
        meta["encrypt"] = as_bool(query["encrypt"])
    include = query.get("include")
    if include is not None:
        meta["include"] = include if isinstance(include, list) else [name for name in str(include).split(",") if name]
    return meta


def _check_out(call: Call, row: Row, meta: dict[str, Any]) -> Row:
    account, noun = call.account, row["type"].removesuffix("s")
    license_row = row if noun == "license" else account.need("licenses", row["license"])
    ttl = _read_ttl(meta)
    includes = _read_includes(call, noun, meta.get("include") or [])
    encoding, signer = _read_algorithm(meta, policy_of(account, license_row)["scheme"])
    issued = account.now()
    expiry = to_text(add_seconds(issued, ttl)) if ttl is not None else None
    content: dict[str, Any] = {"data": call.render.resource(row)}
    if includes:
        content["included"] = [call.render.resource(item) for item in _included(account, row, license_row, includes)]
    content["meta"] = {"issued": to_text(issued), "expiry": expiry, "ttl": ttl}
    plain = dump(content)
    secret = license_row["key"] + (row["fingerprint"] if noun == "machine" else "")
    enc = base64.b64encode(plain).decode() if encoding == "base64" else _encrypt(plain, secret)
    algorithm = f"{encoding}+{signer}"
    signature = base64.b64encode(account.keys.sign(signer, f"{noun}/{enc}".encode())).decode()
    envelope = base64.b64encode(dump({"enc": enc, "sig": signature, "alg": algorithm})).decode()
    lines = "\n".join(envelope[at : at + _LINE] for at in range(0, len(envelope), _LINE))
    title = f"{noun.upper()} FILE"
    account.save(row, lastCheckOut=to_text(issued))
    call.announce(f"{noun}.checked-out", row)
    return {
        "id": str(uuid.uuid4()),
        "type": f"{noun}-files",
        "certificate": f"-----BEGIN {title}-----\n{lines}\n-----END {title}-----\n",
        "algorithm": algorithm,
        "includes": includes,
        "ttl": ttl,
        "expiry": expiry,
        "issued": to_text(issued),
    }


def _read_ttl(meta: dict[str, Any]) -> int | None:
    ttl = meta.get("ttl", MONTH_SECONDS)
    if ttl is None:
        return None
    if isinstance(ttl, str) and ttl.isdigit():
        ttl = int(ttl)
    if not isinstance(ttl, int) or isinstance(ttl, bool):
        raise bad_request("type mismatch (received string expected integer)", "/meta/ttl")
    if ttl < _MIN_TTL_SECONDS:
        detail = f"must be greater than or equal to {_MIN_TTL_SECONDS} (1 hour)"
        raise bad_request(detail, parameter="ttl", code="CHECKOUT_TTL_INVALID")
    return ttl


def _read_includes(call: Call, noun: str, includes: list[str]) -> list[str]:
    if set(includes) - set(_LICENSE_INCLUDES if noun == "license" else _MACHINE_INCLUDES):
        raise bad_request("invalid includes", parameter="include", code="CHECKOUT_INCLUDE_INVALID")
    singulars = {"entitlements": "entitlement", "users": "user", "owner": "user", "components": "component"}
    for name in includes:
        last = name.rpartition(".")[2]
        call.by.may(f"{singulars.get(last, last)}.read")
    return includes


def _read_algorithm(meta: dict[str, Any], scheme: str | None) -> tuple[str, str]:
    signer = FILE_SIGNERS.get(scheme or "", "ed25519")
    given = meta.get("algorithm")
    if given is None:
        return "aes-256-gcm" if meta.get("encrypt") else "base64", signer
    encoding, _, signer = str(given).partition("+")
    if encoding not in {"base64", "aes-256-gcm"}:
        raise bad_request("invalid encoding algorithm", parameter="algorithm", code="CHECKOUT_ALGORITHM_INVALID")
    if signer not in ALGORITHMS:
        raise bad_request("invalid signing algorithm", parameter="algorithm", code="CHECKOUT_ALGORITHM_INVALID")
    return encoding, signer


def _included(account: Account, row: Row, license_row: Row, includes: list[str]) -> list[Row]:
    found: dict[str, Row | None] = {}

    def take(kind: str, row_id: str | None) -> None:
        if row_id:
            found[row_id] = account.get(kind, row_id)

    prefix = "" if row["type"] == "licenses" else "license."
    if "license" in includes or (prefix and any(name.startswith(prefix) for name in includes)):
        take("licenses", license_row["id"])
    for name, kind in (("product", "products"), ("policy", "policies"), ("owner", "users")):
        if prefix + name in includes:
            take(kind, license_row[name])
    for name, kind in (("group", "groups"), ("owner", "users")):
        if name in includes:
            take(kind, row[name])
    if prefix + "users" in includes:
        for user_id in user_ids(account, license_row):
            take("users", user_id)
    if prefix + "entitlements" in includes:
        found |= {entitlement["id"]: entitlement for entitlement in reversed(entitlements_of(account, license_row))}
    if "components" in includes:
        found |= {component["id"]: component for component in account.by("components", "machine", row["id"])}
    return [item for item in found.values() if item is not None]


def _encrypt(plain: bytes, secret: str) -> str:
    nonce = secrets.token_bytes(12)
    sealed = AESGCM(hashlib.sha256(secret.encode()).digest()).encrypt(nonce, plain, None)
    return ".".join(base64.b64encode(part).decode() for part in (sealed[:-16], nonce, sealed[-16:]))
