"""Mails about a customer's standing: a template each, whose first line is the subject. Text and HTML say the same."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_TEXT = Environment(loader=PackageLoader("glue.converge", "mails"), autoescape=False, undefined=StrictUndefined)  # noqa: S701  # plain text
_HTML = Environment(loader=PackageLoader("glue.converge", "mails"), autoescape=True, undefined=StrictUndefined)


def composer(*, product: str, portal_url: str, support_address: str) -> Callable[[dict[str, Any]], dict[str, str]]:
    """Makes subject, text and html of a mail: from ``template`` and ``values``, or as its payload already has them."""
    ours = {"product": product, "portal": portal_url, "support": support_address}

    def compose(payload: dict[str, Any]) -> dict[str, str]:
        if "template" not in payload:
            headers = {name: payload[name] for name in ("reply_to", "in_reply_to") if name in payload}
            return {"subject": payload["subject"], "text": payload["text"], "html": payload.get("html", "")} | headers
        # A customer's name is theirs to choose: without line breaks it cannot become a header or a paragraph of ours.
        values = {name: " ".join(str(value).split()) for name, value in payload["values"].items()}
        whole = _TEXT.get_template(f"{payload['template']}.txt").render(**ours, **values)
        subject, _, text = whole.partition("\n")
        html = _HTML.get_template("layout.html").render(product=product, text=text)
        return {"subject": subject.removeprefix("Subject: "), "text": text.strip() + "\n", "html": html}

    return compose
