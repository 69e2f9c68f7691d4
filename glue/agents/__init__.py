"""Agents: the dispatcher, from a sentence to finished, billed work. May import doors, converge, meter and below; the only import of the durable engine."""
