#!/bin/sh
# A database and a user for each service; none can read another's.
set -eu
for name in glue lago keygen keycloak; do
  variable=$(echo "$name" | tr '[:lower:]' '[:upper:]')_DB_PASSWORD
  eval "password=\$$variable"
  psql -v ON_ERROR_STOP=1 -U postgres -v name="$name" -v password="$password" <<-'SQL'
    create user :"name" password :'password';
    create database :"name" owner :"name";
    revoke all on database :"name" from public;
SQL
done
psql -v ON_ERROR_STOP=1 -U postgres -d lago -c 'create extension if not exists pg_partman' -c 'create extension if not exists pgcrypto' || true
