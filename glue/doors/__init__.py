"""Doors: webhooks of Lago and Keygen and the poll of Keycloak. They verify, keep the delivery, mark the tenant and answer; no meaning. May import upstream, dirty, db, rules, errors, clock."""
