#!/bin/bash
# test/postgres.sh FOLDER [SETTING=VALUE...]: runs a PostgreSQL of the distribution in FOLDER, in the
# foreground, until SIGINT (fast) or the end of whoever started it. It listens on the Unix socket in
# FOLDER alone, unless a setting says otherwise; the superuser is `huatuo`. What FOLDER has from an
# earlier run is kept. Ends with 77 and the reason where no server is installed or nobody
# unprivileged can run it.
set -euo pipefail
folder=$1
shift

bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
[ -x "$bin/postgres" ] || { echo "no PostgreSQL is installed (package postgresql)"; exit 77; }

as=(setpriv --pdeathsig INT)
if [ "$(id -u)" -eq 0 ]; then
  getent passwd postgres >/dev/null || { echo "there is no user postgres"; exit 77; }
  as+=(--reuid postgres --regid postgres --clear-groups)
  chown postgres "$folder"
fi

cd "$folder"
if [ ! -e data/PG_VERSION ]; then
  "${as[@]}" "$bin/initdb" -D data -U huatuo -A trust -E UTF8 --locale C.UTF-8 --no-sync >initdb.log
fi
settings=(-c listen_addresses= -c "unix_socket_directories=$folder")
for setting in "$@"; do settings+=(-c "$setting"); done
exec "${as[@]}" "$bin/postgres" -D data "${settings[@]}"
