"""Meter: the hot path. check, consume, holds, usage; journal, snapshot, flush to Lago. May import upstream, db, rules, errors, clock."""
