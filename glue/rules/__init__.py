"""Rules: pure decisions over frozen facts. May import only errors and clock; no IO, no time but what is handed in."""
