"""An invoice as PDF where the billing system makes none: one plain A4 page after another, written by hand without a library."""

import zlib
from collections.abc import Iterator

from glue.rules.facts import Invoice, ReductionKind
from glue.rules.tenant import TenantRecord
from portal.languages import Writer

LINES_A_PAGE = 40
REDUCTIONS = {
    ReductionKind.PROGRESSIVE_BILLING: "Invoiced before in this period",
    ReductionKind.COUPONS: "Coupons",
    ReductionKind.CREDIT_NOTES: "Credit from earlier invoices",
    ReductionKind.PREPAID: "Prepaid credits",
}
Row = tuple[tuple[int, str], ...]  # (x in points, text)


def draw_invoice(invoice: Invoice, record: TenantRecord, *, writer: Writer, product: str) -> bytes:
    """The invoice in the reader's language."""
    say = writer.text

    def money(cents: int) -> str:
        return writer.money(cents, invoice.currency)

    address = record.address
    rows: list[Row] = [
        ((50, f"{product}: " + say("Invoice %(number)s", number=invoice.number)),),
        ((50, say("Issued %(day)s, due %(due)s", day=writer.day(invoice.issuing_date), due=writer.day(invoice.payment_due_date))),),
        (),
        ((50, record.legal_name or record.display_name),),
        ((50, address.line1),),
        ((50, f"{address.zipcode} {address.city}, {address.country}".strip()),),
        ((50, record.tax_id),),
        (),
        ((50, say("For")), (300, say("Units")), (380, say("Price")), (470, say("Amount"))),
    ]
    for line in invoice.lines:
        price = f"{line.unit_price.normalize():f}"
        rows.append(
            ((50, (line.name or line.code)[:48]), (300, f"{line.units.normalize():f}"), (380, price), (470, money(line.amount_cents)))
        )
    rows += [((50, say(REDUCTIONS[reduction.kind])), (470, money(-reduction.cents))) for reduction in invoice.reductions]
    if invoice.taxes_cents:
        rows.append(((50, say("Taxes")), (470, money(invoice.taxes_cents))))
    rows += [(), ((50, say("Total")), (470, money(invoice.total_cents)))]
    return make_pdf([rows[place : place + LINES_A_PAGE] for place in range(0, len(rows), LINES_A_PAGE)])


def make_pdf(pages: list[list[Row]]) -> bytes:
    """Pages of rows of text in Helvetica, as a PDF 1.4 file."""
    count = len(pages)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (count, b" ".join(b"%d 0 R" % (4 + 2 * place) for place in range(count))),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for place, rows in enumerate(pages):
        content = zlib.compress(b"\n".join(_drawn(rows)))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>" % (5 + 2 * place)
        )
        objects.append(b"<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream" % (len(content), content))
    file, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(file + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table))


def _drawn(rows: list[Row]) -> Iterator[bytes]:
    for place, row in enumerate(rows):
        for x, text in row:
            size = 15 if place == 0 else 10
            escaped = text.encode("cp1252", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
            yield b"BT /F1 %d Tf %d %d Td (%s) Tj ET" % (size, x, 780 - 18 * place, escaped)
