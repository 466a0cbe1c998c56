#!/bin/bash
# Entry point of the testbed's postgres image. Environment: POSTGRES_PASSWORD, POSTGRES_USER (postgres),
# POSTGRES_DB (the user's name), POSTGRES_HOST_AUTH_METHOD (scram-sha-256), PGDATA; *_FILE forms of the first three.
# SQL and shell files in /docker-entrypoint-initdb.d run once, on an empty data folder.
set -euo pipefail

from_file() {
    local path_variable=$1_FILE
    if [ -n "${!path_variable:-}" ]; then
        export "$1=$(<"${!path_variable}")"
    fi
}

if [ "$(id -u)" = 0 ] && [ "${1:-}" = postgres ]; then
    install -d -o postgres -g postgres -m 0700 "$PGDATA"
    install -d -o postgres -g postgres -m 0755 /run/postgresql
    chown -R postgres:postgres "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$BASH_SOURCE" "$@"
fi

if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    for name in POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB; do from_file "$name"; done
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        echo "POSTGRES_PASSWORD is not set: set it, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
        exit 1
    fi
    initdb --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-unused}") --auth-local=trust \
        --auth-host="$method" --encoding=UTF8 --locale=C.UTF-8 --no-instructions >/dev/null
    echo "host all all all $method" >>"$PGDATA/pg_hba.conf"
    # While it is being set up the server listens on its socket only: nothing on the network sees it too early.
    pg_ctl -D "$PGDATA" -o "-c listen_addresses= -c unix_socket_directories=/tmp" -w start >/dev/null
    connect=(psql --no-psqlrc -v ON_ERROR_STOP=1 -q -h /tmp -U "$user")
    if [ "$database" != postgres ]; then
        "${connect[@]}" -d postgres -v name="$database" <<<'CREATE DATABASE :"name"'
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh) PGHOST=/tmp PGUSER=$user PGDATABASE=$database bash "$file" ;;
            *.sql) "${connect[@]}" -d "$database" -f "$file" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi

if [ "${1:-}" = postgres ]; then
    shift
    set -- postgres -c listen_addresses='*' -c unix_socket_directories=/run/postgresql "$@"
fi
exec "$@"
