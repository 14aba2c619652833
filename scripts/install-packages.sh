#!/bin/bash
# Installs the Debian packages that are missing: `run` for building and running, `test` for the tests too, `bench` for
# comparing with PgBouncer, `browser` for looking at the status page, `broker` for the outbox with RabbitMQ.
#
# When PostgreSQL itself is missing, Debian would create and start a cluster "main" on port 5432 while installing it.
# Nobody asked for that one, so it is prevented for the time of the installation. Existing clusters are not touched.
set -euo pipefail

run_packages="libssl-dev libpg-query-dev libprotobuf-c-dev librabbitmq-dev librdkafka-dev postgresql-15 postgresql-contrib pkg-config"
test_packages="openssl python3-psycopg python3-asyncpg libpostgresql-jdbc-java openjdk-17-jdk-headless"

packages="$run_packages"
if [ "${1:-run}" = test ]; then packages="$packages $test_packages"; fi
if [ "${1:-run}" = broker ]; then packages="$packages $test_packages rabbitmq-server python3-pika"; fi
if [ "${1:-run}" = browser ]; then packages="$packages $test_packages chromium fonts-dejavu-core"; fi
if [ "${1:-run}" = bench ]; then packages="$packages pgbouncer gcc libpq-dev openssl python3 valgrind binutils"; fi

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c1-2)" = ii ]
}

if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian system. Install what these packages hold, then go on: $packages" >&2
    exit 0
fi

missing=""
for package in $packages; do
    is_installed "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then exit 0; fi
echo "Installing:$missing"

as_root=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing and can only be installed by root:$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi

apt_get() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"; }

no_cluster=/etc/postgresql-common/createcluster.d/pgbraid-installation.conf
allow_clusters() { $as_root rm -f "$no_cluster"; }

apt_get update
case "$missing" in
*postgresql-15*)
    apt_get install -y --no-install-recommends postgresql-common
    trap allow_clusters EXIT
    $as_root mkdir -p "$(dirname "$no_cluster")"
    echo "create_main_cluster = false" | $as_root tee "$no_cluster" >/dev/null
    ;;
esac
# shellcheck disable=SC2086
apt_get install -y --no-install-recommends $missing
