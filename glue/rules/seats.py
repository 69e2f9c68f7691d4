"""Seats: people of an organization, invited or joined. Programs (service accounts) have a limit of their own."""

from dataclasses import dataclass

from glue.errors import LimitReached
from glue.rules.facts import Invitation, Member


@dataclass(frozen=True, slots=True)
class SeatUse:
    """How many seats are taken by members and by open invitations, and how many there are."""

    members: int
    invited: int
    limit: int

    @property
    def used(self) -> int:
        return self.members + self.invited

    @property
    def over(self) -> int:
        return max(self.used - self.limit, 0)


def count_seats(members: tuple[Member, ...], invitations: tuple[Invitation, ...], *, limit: int) -> SeatUse:
    """Disabled people keep their seat until they are removed; an expired invitation holds none."""
    people = {member.email.lower() for member in members if not member.service_account}
    pending = {invitation.email.lower() for invitation in invitations if invitation.status == "PENDING"} - people
    return SeatUse(sum(not member.service_account for member in members), len(pending), limit)


def require_free_seat(use: SeatUse, *, planned: int = 0) -> None:
    """Raise LimitReached when one more person does not fit. ``planned`` invitations are already on their way."""
    if use.used + planned >= use.limit:
        raise LimitReached(
            f"All {use.limit} seats are taken: {use.members} by members, {use.invited + planned} by open invitations.",
            remedy="Remove a member or an invitation, or choose a plan with more seats.",
            limit=use.limit,
            used=use.used + planned,
            remaining=0,
        )
