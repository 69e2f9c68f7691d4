"""Operations: doctor, seed, backup, restore, the native Keycloak, the local stack. May import every room below wiring."""
