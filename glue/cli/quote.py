"""``glue quote``: what a piece of work would cost, before anything starts."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from glue.agents.views import QuoteView


def command(
    text: Annotated[str, typer.Argument(help="What you want to have done, in plain language.")],
    *,
    tenant: Annotated[str, typer.Option(envvar="GLUE_TENANT", help="For which customer; the plan decides how much a run may cost.")],
    without: Annotated[list[str] | None, typer.Option(help="Leave this optional step out; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The quote as one JSON object.")] = False,
) -> None:
    """Understand a request, plan its steps, and price it."""
    from glue.cli.dispatching import dispatching
    from glue.cli.printing import reporting_errors, show_json
    from glue.rules.names import parse_tenant_id

    with reporting_errors(as_json=as_json), dispatching() as dispatcher:
        quote = dispatcher.quote(parse_tenant_id(tenant), text, asked_by="command line", without=without or [])
        if as_json:
            show_json(quote.model_dump(mode="json"))
        else:
            show_quote(quote)


def show_quote(quote: "QuoteView") -> None:
    """The route as a table and a graph, and the price."""
    from glue.cli.printing import out, show_table

    found = quote.analysis
    out.print(
        f"{found.task_type}, {found.complexity} (confidence {found.confidence:.2f}; decided by {', '.join(found.evidence) or 'nothing clear'})"
    )
    if quote.question:
        out.print(quote.question)
    rows = [
        (step.name, step.agent, step.title, ", ".join(step.depends_on), step.estimate, step.ceiling, "yes" if step.optional else "")
        for step in quote.steps
    ]
    show_table("", ["step", "agent", "what", "after", "credits", "at most", "optional"], rows)
    out.print(quote.graph)
    for note in quote.notes:
        out.print(note)
    for offer in quote.offers:
        out.print(f"Alike, and done already: {offer.run_id}, saves {offer.saves_credits} credits ({offer.text})")
    out.print(f"{quote.id}: {quote.words}")
