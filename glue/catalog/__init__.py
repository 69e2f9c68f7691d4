"""Catalog: declared files to a plan that is read first, to exactly that change, over three systems. May import converge, upstream, db, rules, errors, clock."""
