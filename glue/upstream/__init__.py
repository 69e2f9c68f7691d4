"""Upstream: Keycloak, Lago, Keygen and mail. Third parties live here and nowhere else; own types out, one error tree. May import db, rules, errors, clock."""
