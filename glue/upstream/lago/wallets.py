"""Prepaid credits and coupons. None of these writes has a key of its own in Lago: each looks first whether it was done."""

from decimal import Decimal
from typing import Any

from glue.errors import BadInput, UpstreamConflict, UpstreamError
from glue.rules.facts import Wallet
from glue.upstream.lago.calls import LagoCalls, LibraryModels, all_pages, checked_id
from glue.upstream.reading import decimal, instant, text, whole

MARKER = "marker"


class Wallets(LagoCalls):
    def wallets_of(self, external_customer_id: str) -> tuple[Wallet, ...]:
        """All wallets of a customer, terminated ones too. Empty also for an unknown customer."""

        def wanted(record: Any) -> Wallet | None:
            return _parse_wallet(record) if record["external_customer_id"] == external_customer_id else None

        def fetch(page: int) -> Any:
            params: list[tuple[str, str | int]] = [
                ("external_customer_id", checked_id(external_customer_id)),
                ("page", page),
                ("per_page", 100),
            ]
            return self._list("wallets_of", "/wallets", "wallets", wanted, params=params)

        return tuple(all_pages(fetch))

    def create_wallet(
        self,
        external_customer_id: str,
        *,
        code: str,
        name: str,
        currency: str,
        rate: Decimal,
        paid_credits: Decimal,
        granted_credits: Decimal,
    ) -> Wallet:
        """Open a wallet, or find the one of this code. Its first answer shows no balance yet: credits arrive by a job."""
        existing = self._find_wallet(external_customer_id, code)
        if existing is not None:
            return existing
        new = LibraryModels.Wallet(
            external_customer_id=checked_id(external_customer_id),
            code=code,
            name=name,
            currency=currency,
            rate_amount=_plain(rate),
            paid_credits=_plain(paid_credits),
            granted_credits=_plain(granted_credits),
        )
        try:
            return self._use_library("create_wallet", lambda: _parse_wallet(self._library.wallets.create(new).dict()))
        except UpstreamError:
            # Many at once: one is made, the others get 422 or 500 (seen). What is there now decides.
            existing = self._find_wallet(external_customer_id, code)
            if existing is None:
                raise
            return existing

    def _find_wallet(self, external_customer_id: str, code: str) -> Wallet | None:
        wallets = self.wallets_of(external_customer_id)
        return next((wallet for wallet in wallets if wallet.code == code and wallet.status == "active"), None)

    def top_up_wallet(self, lago_id: str, *, paid_credits: Decimal, granted_credits: Decimal, marker: str) -> None:
        """Add credits; paid ones count once their invoice is paid. A wallet that already has a transaction of ``marker`` is left alone."""
        if not marker:
            raise BadInput("A top-up needs a marker to be found again by.", field="marker", expected="a text of our own")
        if self.find_top_up(lago_id, marker):
            return
        new = LibraryModels.WalletTransaction(
            wallet_id=checked_id(lago_id),
            paid_credits=_plain(paid_credits),
            granted_credits=_plain(granted_credits),
            metadata=[{"key": MARKER, "value": marker}],
        )
        self._use_library("top_up_wallet", lambda: bool(self._library.wallet_transactions.create(new)))

    def find_top_up(self, lago_id: str, marker: str) -> bool:
        """Whether the wallet has a transaction that carries ``marker``."""
        path = f"/wallets/{checked_id(lago_id)}/wallet_transactions"

        def markers(record: Any) -> list[str]:
            return [item["value"] for item in record["metadata"] or [] if item["key"] == MARKER]

        def fetch(page: int) -> Any:
            return self._list("find_top_up", path, "wallet_transactions", markers, params=[("page", page), ("per_page", 100)])

        return any(marker in found for found in all_pages(fetch))

    def apply_coupon(self, external_customer_id: str, coupon_code: str) -> None:
        """Give a customer a coupon, once: one that was ever applied, also a used-up one, is not applied again."""
        if self.has_coupon(external_customer_id, coupon_code):
            return
        new = LibraryModels.AppliedCoupon(external_customer_id=checked_id(external_customer_id), coupon_code=coupon_code)
        try:
            self._use_library("apply_coupon", lambda: bool(self._library.applied_coupons.create(new)))
        except UpstreamConflict:
            if not self.has_coupon(external_customer_id, coupon_code):
                raise

    def has_coupon(self, external_customer_id: str, coupon_code: str) -> bool:
        """Whether it was ever applied to this customer."""

        def wanted(record: Any) -> bool | None:
            return (record["external_customer_id"], record["coupon_code"]) == (external_customer_id, coupon_code) or None

        def fetch(page: int) -> Any:
            params: list[tuple[str, str | int]] = [("external_customer_id", checked_id(external_customer_id)), ("page", page)]
            return self._list("applied_coupons", "/applied_coupons", "applied_coupons", wanted, params=params)

        return any(all_pages(fetch))


def _plain(number: Decimal) -> str:
    # Credits are texts in plain form: numbers are refused, exponents too.
    return f"{number:f}"


def _parse_wallet(record: Any) -> Wallet:
    return Wallet(
        lago_id=record["lago_id"],
        code=text(record["code"]),
        name=text(record["name"]),
        status=record["status"],
        currency=record["currency"],
        balance_cents=whole(record["balance_cents"]),
        credits_balance=decimal(record["credits_balance"]),
        rate=decimal(record["rate_amount"]),
        expires_at=instant(record["expiration_at"]),
    )
