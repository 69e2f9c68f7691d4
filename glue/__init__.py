"""Glue: one story about every tenant, told by Keycloak, Lago and Keygen together."""
