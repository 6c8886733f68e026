# shellcheck shell=bash
# Breaking PostgreSQL and RabbitMQ in ways that ./dev chaos needs and nobody else does. Speaks of the set
# in use, as postgres.sh and rabbitmq.sh do.

# machine_cannot WORDS: prints why this machine cannot do that to a service, or nothing.
machine_cannot() {
  case $1 in
    shim | *fsync*) [ -s "$SET_DATA/shim.so" ] || echo "there is no C compiler for the library that it takes" ;;
    'postgres fill') small_disk_possible || echo "mounting a small disk takes root, and a machine that lets root mount" ;;
  esac
}

# A library that PostgreSQL is started with: it makes fsync fail or slow when told, and clocks wrong.
# Without a C compiler there is none, and the faults that need it say so.
shim_build() {
  local out="$SET_DATA/shim.so" compiler
  compiler=$(command -v cc || command -v gcc || true)
  [ -n "$compiler" ] || return 0
  "$compiler" -shared -fPIC -O2 -o "$DEV_DIR/shim.so" "$ROOT/tests/drill/shim.c" -ldl >>"$LOG_DIR/chaos-shim.log" 2>&1 ||
    return 0
  install -m 755 "$DEV_DIR/shim.so" "$out"
}
shim_use() {
  POSTGRES_ENV=()
  [ ! -s "$SET_DATA/shim.so" ] || POSTGRES_ENV=("LD_PRELOAD=$SET_DATA/shim.so" "DRILL_FSYNC=$SET_DATA/fsync")
}

# shim_fsync fail|slow|well: a word in a file that only we write.
shim_fsync() {
  if [ "$1" = well ]; then rm -f "$SET_DATA/fsync"; else printf '%s' "$1" >"$SET_DATA/fsync" && chmod 644 "$SET_DATA/fsync"; fi
}

# After a failed fsync it restarts itself, or gives up: then it is started again.
postgres_recovered() {
  wait_for "PostgreSQL to recover" 60 postgres_ready || true
  postgres_start superuser
}

# A signal to the server and all its children.
postgres_signal() {
  local pid
  pid=$(pid_of "$SET_DIR/postgres.pid") || return 1
  # shellcheck disable=SC2046  # pids
  kill -s "$1" "$pid" $(children_of "$pid") 2>/dev/null || true
}

rabbitmq_disk_limit() {
  rabbitmq_words
  (cd -- "$SET_DATA/rabbitmq" && "${RABBIT[@]}" "$SET_SBIN/rabbitmqctl" -q set_disk_free_limit "$1")
}

# Killed, and all that it had written is gone.
rabbitmq_wipe() {
  rabbitmq_kill
  rm -rf -- "${SET_DATA:?}/rabbitmq/mnesia"
}

small_disk_possible() {
  running_as_root && command -v mount >/dev/null && small_disk && small_disk_gone
} >/dev/null 2>&1

# A disk of 96 MB for a tablespace; prints its folder.
small_disk() {
  mkdir -p "$SET_DATA/small"
  mountpoint -q "$SET_DATA/small" || mount -t tmpfs -o size=96m,mode=700 tmpfs "$SET_DATA/small"
  mkdir -p "$SET_DATA/small/tables"
  chown -R "$SERVICE_USER:$SERVICE_USER" "$SET_DATA/small"
  printf '%s\n' "$SET_DATA/small/tables"
}
small_disk_fill() { dd if=/dev/zero of="$SET_DATA/small/filler" bs=64k >/dev/null 2>&1 || true; }
small_disk_gone() { ! mountpoint -q "$SET_DATA/small" || umount "$SET_DATA/small"; }
