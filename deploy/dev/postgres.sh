# shellcheck shell=bash
# A private PostgreSQL of the set in use: durable (fsync on), loopback only, passwords only.

POSTGRES_VERSION_MIN=15

# Sets PG_BIN to the newest server's folder; fails when there is none that is new enough.
postgres_find() {
  local bin version best=0
  PG_BIN=
  for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin "$(pg_config --bindir 2>/dev/null || true)" \
    /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin "$(dirname -- "$(command -v postgres || echo /none/x)")"; do
    [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ] && [ -x "$bin/psql" ] && [ -x "$bin/pg_isready" ] || continue
    version=$("$bin/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
    if [ "${version:-0}" -ge "$POSTGRES_VERSION_MIN" ] && [ "$version" -gt "$best" ]; then
      best=$version
      PG_BIN=$bin
    fi
  done
  [ -n "$PG_BIN" ]
}

# postgres_start [superuser]: starts it unless it runs, waits, and provides role and database. More options
# for the server: POSTGRES_OPTIONS. The words of POSTGRES_ENV, if any, are its environment's.
postgres_start() {
  local log="$SET_LOG-postgres.log" code=0
  if ! pid_alive "$SET_DIR/postgres.pid"; then
    [ -d "$SET_DATA/postgres" ] || postgres_init "$log"
    postgres_forget_dead
    # shellcheck disable=SC2086  # words
    launch "$SET_DIR/postgres.pid" "$log" "$SET_DATA" "${AS_SERVICE[@]}" env -i "PATH=$PATH" LC_ALL=C \
      ${POSTGRES_ENV[@]+"${POSTGRES_ENV[@]}"} "$PG_BIN/postgres" -D "$SET_DATA/postgres" -p "$PG_PORT" -c listen_addresses=127.0.0.1 \
      -c "unix_socket_directories=$SET_DATA" -c fsync=on -c max_connections=200 \
      -c shared_buffers=256MB -c max_wal_size=2GB -c timezone=UTC -c log_timezone=UTC ${POSTGRES_OPTIONS:-}
  fi
  wait_for "PostgreSQL on port $PG_PORT" 60 postgres_ready || code=$?
  [ "$code" -eq 0 ] || fail "PostgreSQL $([ "$code" -eq 2 ] && echo ended || echo "is not ready after 60 s")" "$log" \
    "./dev down, then the same command again; with ./dev down --purge from empty data"
  postgres_provision "${1:-}" >>"$log" 2>&1 ||
    fail "PostgreSQL refuses role and database waybill" "$log" "./dev down --purge, then the same command again"
}

# The cluster is made beside its place and moved there when whole, so a broken try leaves nothing behind.
postgres_init() {
  local code=0
  secret postgres_superuser | (
    cd -- "$SET_DATA"
    "${AS_SERVICE[@]}" sh -c 'umask 077 && rm -rf postgres.new && cat >postgres.password' &&
      "${AS_SERVICE[@]}" "$PG_BIN/initdb" -D "$SET_DATA/postgres.new" --username=postgres \
        --pwfile=postgres.password --auth=scram-sha-256 --encoding=UTF8 --locale=C --data-checksums &&
      "${AS_SERVICE[@]}" rm postgres.password &&
      "${AS_SERVICE[@]}" mv postgres.new postgres
  ) >>"$1" 2>&1 || code=$?
  [ "$code" -eq 0 ] || fail "initdb failed" "$1" "see the log; is the disk full?"
}

# After a kill the lock files name a process that is gone, or gone but not yet reaped, which PostgreSQL
# takes for a living one.
postgres_forget_dead() {
  local lock
  for lock in "$SET_DATA/postgres/postmaster.pid" "$SET_DATA"/.s.PGSQL.*.lock; do
    if [ -s "$lock" ] && pid_gone "$(head -n 1 "$lock")"; then rm -f "$lock"; fi
  done
}

postgres_ready() {
  pid_alive "$SET_DIR/postgres.pid" || return 2
  "$PG_BIN/pg_isready" -q -h 127.0.0.1 -p "$PG_PORT" -d postgres -t 2 || return 1
}

# Role `waybill` and its database, made or put right. For tests the role may do anything.
postgres_provision() {
  local rights="nosuperuser nocreatedb"
  [ "${1:-}" != superuser ] || rights="superuser createdb"
  PGPASSWORD=$(secret postgres_superuser) "$PG_BIN/psql" -h 127.0.0.1 -p "$PG_PORT" -U postgres -d postgres \
    -X -q -v ON_ERROR_STOP=1 <<SQL
select 'create role waybill' where not exists (select from pg_roles where rolname = 'waybill') \gexec
alter role waybill login $rights password '$(secret postgres)';
select 'create database waybill owner waybill' where not exists (select from pg_database where datname = 'waybill') \gexec
SQL
}

postgres_url() { printf 'postgres://waybill:%s@127.0.0.1:%s/waybill' "$(secret postgres)" "$PG_PORT"; }

# INT is a fast shutdown: clients are cut off, everything is written. QUIT leaves recovery to the next start.
postgres_stop() { stop_pid "$SET_DIR/postgres.pid" "PostgreSQL" 30 INT QUIT; }

# As a power cut would: the server and all its children at once.
postgres_kill() {
  local pid children
  pid=$(pid_of "$SET_DIR/postgres.pid") || return 0
  # first it stands still: a child that it starts after they are counted would outlive it, and hold its memory
  kill -s STOP "$pid" 2>/dev/null || true
  children=$(children_of "$pid")
  # shellcheck disable=SC2086  # pids
  kill -s KILL "$pid" $children 2>/dev/null || true
  for pid in $pid $children; do
    wait_for "PostgreSQL's process $pid to be gone" 10 pid_gone "$pid" || return 1
  done
  rm -f "$SET_DIR/postgres.pid"
}
