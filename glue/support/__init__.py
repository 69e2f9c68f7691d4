"""Support: tickets, feedback, beta cohorts. May import doors, converge, meter and below."""
