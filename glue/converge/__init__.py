"""Converge: observe three systems, decide, write only the difference; effects, sweep, drift, timeline. May import upstream, dirty, db, rules, errors, clock."""
