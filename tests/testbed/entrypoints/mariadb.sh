#!/bin/bash
# Entry point of the testbed's mariadb image. Environment: MARIADB_ROOT_PASSWORD, MARIADB_DATABASE, MARIADB_USER,
# MARIADB_PASSWORD, each also with the prefix MYSQL_. SQL files in /docker-entrypoint-initdb.d run once, on an
# empty data folder.
set -euo pipefail

setting() {
    local maria=MARIADB_$1 mysql=MYSQL_$1
    printf '%s' "${!maria:-${!mysql:-}}"
}
quoted() { printf "'%s'" "$(sed -e 's/\\/\\\\/g' -e "s/'/''/g" <<<"$1")"; }
name() { printf '`%s`' "${1//\`/\`\`}"; }

if [ "${1:-}" != mariadbd ]; then
    exec "$@"
fi
shift
data=/var/lib/mysql
run=(mariadbd --no-defaults --user=mysql --datadir="$data" --socket=/run/mysqld/mysqld.sock)
install -d -o mysql -g mysql "$data" /run/mysqld
if [ ! -d "$data/mysql" ]; then
    root=$(setting ROOT_PASSWORD)
    database=$(setting DATABASE)
    user=$(setting USER)
    if [ -z "$root" ]; then
        echo "MARIADB_ROOT_PASSWORD is not set" >&2
        exit 1
    fi
    mariadb-install-db --no-defaults --user=mysql --datadir="$data" --auth-root-authentication-method=normal \
        --skip-test-db >/dev/null
    {   # the server reads one statement a line here
        echo "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';"
        echo "FLUSH PRIVILEGES;"
        if [ -n "$database" ]; then printf '%s;\n' "CREATE DATABASE $(name "$database")" "USE $(name "$database")"; fi
        if [ -n "$user" ]; then
            echo "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$(setting PASSWORD)");"
            if [ -n "$database" ]; then echo "GRANT ALL ON $(name "$database").* TO $(quoted "$user")@'%';"; fi
        fi
        for file in /docker-entrypoint-initdb.d/*.sql; do
            if [ -e "$file" ]; then cat "$file"; fi
        done
        echo "ALTER USER root@localhost IDENTIFIED BY $(quoted "$root");"
        echo "CREATE USER root@'%' IDENTIFIED BY $(quoted "$root");"
        echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    } | "${run[@]}" --bootstrap --skip-networking --log-warnings=0
fi
exec "${run[@]}" --bind-address=0.0.0.0 "$@"
