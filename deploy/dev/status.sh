# shellcheck shell=bash
# ./dev status: what runs, where, and since when.

cmd_status() {
  local name state
  [ $# -eq 0 ] || { echo "usage: ./dev status" >&2 && exit 2; }
  if ! place_known; then
    say "nothing runs: ./dev up has not run here"
    return 0
  fi
  status_line WHAT PID WHERE SINCE
  processes_known_ports
  for name in $PROCESSES; do status_process "$name"; done
  case $(services_recorded) in
    external) status_line services - "$(status_hide "$(env_value WAYBILL_DATABASE_URL)")" "your own" ;;
    compose) status_compose ;;
    native) status_set up ;;
  esac
  for state in test/main test/fault test/main4 test/flt4 "$DEV_DIR"/extra/*; do
    state=${state#"$DEV_DIR/"}
    ! set_running "$state" || status_set "$state"
  done
}

status_line() { printf '%-24s %-8s %-54s %s\n' "$@"; }

# A URL without its password.
status_hide() { printf %s "$1" | sed 's#//\([^:/@]*\):[^@]*@#//\1@#'; }

processes_known_ports() {
  INGEST_PORT='' INGEST_ADMIN_PORT='' WORKER_1_PORT='' WORKER_2_PORT='' SERVE_PORT='' CONSOLE_PORT=''
  # shellcheck source=/dev/null
  [ ! -s "$DEV_DIR/ports" ] || . "$DEV_DIR/ports"
}

status_process() {
  local where pid ready=
  where="http://127.0.0.1:$(process_admin_port "$1")"
  [ "$1" != ingest-api ] || where="http://127.0.0.1:$INGEST_PORT, admin $where"
  [ "$1" != serve ] || [ -z "$CONSOLE_PORT" ] || where="console http://127.0.0.1:$CONSOLE_PORT, admin $where"
  if pid=$(pid_of "$RUN_DIR/$1.pid"); then
    process_ready "$1" || ready=" (not ready: see /readyz and $LOG_DIR/$1.log)"
    status_line "$1" "$pid" "$where" "$(pid_since "$RUN_DIR/$1.pid")$ready"
  else
    status_line "$1" - - "does not run"
  fi
}

status_set() {
  use_set "$1"
  status_service "PostgreSQL ($1)" postgres "127.0.0.1:$PG_PORT"
  status_service "RabbitMQ ($1)" rabbitmq "127.0.0.1:$AMQP_PORT, API http://127.0.0.1:$API_PORT"
  status_service "epmd ($1)" epmd "127.0.0.1:$EPMD_PORT"
}

status_service() {
  local pid
  if pid=$(pid_of "$SET_DIR/$2.pid"); then
    status_line "$1" "$pid" "$3" "$(pid_since "$SET_DIR/$2.pid")"
  else
    status_line "$1" - - "does not run"
  fi
}

status_compose() {
  if compose_answers; then
    compose_environment
    compose ps
  else
    status_line "Docker Compose" - - "no engine answers"
  fi
}
