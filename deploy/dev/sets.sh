# shellcheck shell=bash
# A set: one private PostgreSQL and one private RabbitMQ. `up` is the set of ./dev up; `test/main` and
# `test/fault` are those of ./dev test; others come and go with ./dev services. What we know of a set
# (ports, pids) is ours, in .dev/NAME; its data is the service user's.

# use_set NAME: the functions of postgres.sh and rabbitmq.sh speak of this set from now on.
use_set() {
  SET_DIR=$DEV_DIR/$1
  SET_DATA=$DATA_ROOT/$1/data
  SET_LOG=$LOG_DIR/${1//\//-}
  PG_PORT='' AMQP_PORT='' API_PORT='' PROMETHEUS_PORT='' DIST_PORT='' EPMD_PORT='' RABBIT_NODE='' RABBIT_ROOM=''
  # shellcheck source=/dev/null
  [ ! -s "$SET_DIR/ports" ] || . "$SET_DIR/ports"
}

# What every native set needs, once per command: programs, user and place.
sets_prepare() {
  place_prepare
  packages_ensure
  service_user_prepare
  place_data_root
}

# set_prepare NAME: its folders, and ports that are free (those of last time if possible). ROOM_WANTED names
# the room that its RabbitMQ runs in, if it is not the system's own.
set_prepare() {
  mkdir -p "$DATA_ROOT/$1/data" "$DEV_DIR/$1"
  use_set "$1"
  chmod 700 "$SET_DATA"
  ! running_as_root || chown "$SERVICE_USER:$SERVICE_USER" "$SET_DATA"
  pid_alive "$SET_DIR/postgres.pid" || pick_port PG_PORT "$PG_PORT"
  if ! pid_alive "$SET_DIR/rabbitmq.pid"; then
    pid_alive "$SET_DIR/epmd.pid" || pick_port EPMD_PORT "$EPMD_PORT"
    pick_port AMQP_PORT "$AMQP_PORT"
    pick_port API_PORT "$API_PORT"
    pick_port PROMETHEUS_PORT "$PROMETHEUS_PORT"
    pick_port DIST_PORT "$DIST_PORT"
    # The node's name is part of its data, so it outlives a change of ports.
    RABBIT_NODE=${RABBIT_NODE:-waybill-$AMQP_PORT@localhost}
    RABBIT_ROOM=${ROOM_WANTED:-}
  fi
  printf '%s=%s\n' PG_PORT "$PG_PORT" AMQP_PORT "$AMQP_PORT" API_PORT "$API_PORT" PROMETHEUS_PORT "$PROMETHEUS_PORT" \
    DIST_PORT "$DIST_PORT" EPMD_PORT "$EPMD_PORT" RABBIT_NODE "$RABBIT_NODE" \
    RABBIT_ROOM "$(shell_quote "$RABBIT_ROOM")" >"$SET_DIR/ports"
}

# Passwords are made before anything runs in parallel.
secrets_prepare() { for name in postgres postgres_superuser rabbitmq pepper console; do secret "$name" >/dev/null; done; }

# sets_start NAME...: prepares all, then starts all services at once, for tests (the role is superuser).
sets_start() {
  local name pids='' pid code=0
  secrets_prepare
  for name in "$@"; do set_prepare "$name"; done
  for name in "$@"; do
    use_set "$name"
    (postgres_start superuser) >"$SET_DIR/postgres.started" 2>&1 &
    pids="$pids $!"
    (rabbitmq_start) >"$SET_DIR/rabbitmq.started" 2>&1 &
    pids="$pids $!"
  done
  # shellcheck disable=SC2086  # pids
  wait_for "PostgreSQL and RabbitMQ ($*)" 180 all_ended $pids || true
  for pid in $pids; do wait "$pid" || code=1; done
  if [ "$code" -ne 0 ]; then
    for name in "$@"; do cat "$DEV_DIR/$name/"*.started >&2; done
    fail "the services did not start" "" "see above"
  fi
}
all_ended() {
  local pid
  for pid in "$@"; do ! kill -0 "$pid" 2>/dev/null || return 1; done
}

# sets_stop NAME...: stops all at once, in good order.
sets_stop() { sets_end rabbitmq_stop "$@"; }

# sets_drop NAME...: stops all at once and deletes their data, for which RabbitMQ need not be asked politely.
sets_drop() {
  sets_end rabbitmq_drop "$@" && sets_delete "$@"
}

sets_end() {
  local rabbitmq_end=$1 name pids='' pid code=0
  shift
  for name in "$@"; do
    [ -d "$DEV_DIR/$name" ] || continue
    use_set "$name"
    (postgres_stop) &
    pids="$pids $!"
    ("$rabbitmq_end") &
    pids="$pids $!"
  done
  for pid in $pids; do wait "$pid" || code=1; done
  return "$code"
}

# set_running NAME: any process of the set's.
set_running() {
  local file
  for file in "$DEV_DIR/$1"/*.pid; do
    if [ -e "$file" ] && pid_alive "$file"; then return 0; fi
  done
  return 1
}

# sets_delete NAME...: stopped sets' data and all that is known of them.
sets_delete() {
  local name
  for name in "$@"; do
    ! set_running "$name" || fail "set $name still runs; its data stays"
    rm -rf -- "${DATA_ROOT:?}/$name" "${DEV_DIR:?}/$name"
  done
}

# set_exports PREFIX: the shell lines by which tests find the set in use.
set_exports() {
  printf "export WAYBILL_%s_%s='%s'\n" "$1" DATABASE_URL "$(postgres_url)" \
    "$1" AMQP_URL "$(rabbitmq_amqp_url)" "$1" RABBITMQ_API_URL "$(rabbitmq_api_url)"
}
