"""How an invoice's payment status changes, and what is told then."""

from glue.sandbox.lago.invoice_views import show_invoice
from glue.sandbox.lago.invoicing import store_invoice
from glue.sandbox.lago.wallets import settle_paid
from glue.sandbox.lago.world import Row, World


def set_payment_status(world: World, invoice: Row, status: str) -> None:
    """Any change is taken, also on a voided invoice; told only when it is one."""
    if invoice["payment_status"] == status:
        return
    invoice["payment_status"], invoice["updated_at"] = status, world.now()
    for fee in invoice["fees"]:
        fee["payment_status"] = status
    if status == "succeeded":
        invoice["payment_overdue"] = False
    store_invoice(world, invoice)

    def follow() -> None:
        world.tell("invoice.payment_status_updated", "invoice", show_invoice(world, invoice, "payment_status_updated"))
        if invoice["invoice_type"] == "credit":
            settle_paid(world, invoice, status)

    world.later(follow)


def tell_payment_failure(world: World, invoice: Row, code: str, message: str | None = None) -> None:
    customer = world.customers.get(invoice["customer_id"]) or {}
    provider_error = {"message": message, "error_code": code} if message else None
    shown = {
        "lago_invoice_id": invoice["id"],
        "lago_customer_id": customer["id"],
        "external_customer_id": customer["external_id"],
        "provider_customer_id": customer["provider_customer_id"],
        "payment_provider": customer["payment_provider"],
        "payment_provider_code": customer["payment_provider_code"],
        "provider_error": provider_error,
        "error_details": {"code": code},
    }
    world.tell("invoice.payment_failure", "payment_provider_invoice_payment_error", shown)
