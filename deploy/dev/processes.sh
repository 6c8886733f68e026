# shellcheck shell=bash
# Our own four processes: starting, waiting for readiness, restarting what has changed, stopping.

PROCESSES="ingest-api worker-1 worker-2 serve"

# Ports: those of last time, else the defaults, else free ones. A port that our own process holds is kept.
processes_ports() {
  INGEST_PORT='' INGEST_ADMIN_PORT='' WORKER_1_PORT='' WORKER_2_PORT='' SERVE_PORT='' CONSOLE_PORT=''
  # shellcheck source=/dev/null
  [ ! -s "$DEV_DIR/ports" ] || . "$DEV_DIR/ports"
  if ! pid_alive "$RUN_DIR/ingest-api.pid"; then
    pick_port INGEST_PORT "${INGEST_PORT:-8080}"
    pick_port INGEST_ADMIN_PORT "${INGEST_ADMIN_PORT:-9080}"
  fi
  pid_alive "$RUN_DIR/worker-1.pid" || pick_port WORKER_1_PORT "${WORKER_1_PORT:-9081}"
  pid_alive "$RUN_DIR/worker-2.pid" || pick_port WORKER_2_PORT "${WORKER_2_PORT:-9083}"
  pid_alive "$RUN_DIR/serve.pid" || pick_port SERVE_PORT "${SERVE_PORT:-9082}"
  # a serve of an older version runs without a console: it is restarted with one
  if [ -z "$CONSOLE_PORT" ] || ! pid_alive "$RUN_DIR/serve.pid"; then
    pick_port CONSOLE_PORT "${CONSOLE_PORT:-8090}"
  fi
  printf '%s=%s\n' INGEST_PORT "$INGEST_PORT" INGEST_ADMIN_PORT "$INGEST_ADMIN_PORT" \
    WORKER_1_PORT "$WORKER_1_PORT" WORKER_2_PORT "$WORKER_2_PORT" SERVE_PORT "$SERVE_PORT" CONSOLE_PORT "$CONSOLE_PORT" >"$DEV_DIR/ports"
}

# process_admin_port NAME
process_admin_port() {
  case $1 in
    ingest-api) echo "$INGEST_ADMIN_PORT" ;;
    worker-1) echo "$WORKER_1_PORT" ;;
    worker-2) echo "$WORKER_2_PORT" ;;
    serve) echo "$SERVE_PORT" ;;
  esac
}

# The words that run process NAME; its URLs and the pepper reach it by environment, not by arguments.
process_words() {
  PROCESS=(env)
  case $1 in
    ingest-api) PROCESS+=("WAYBILL_INGEST__LISTEN=127.0.0.1:$INGEST_PORT"
      "WAYBILL_INGEST__ADMIN_LISTEN=127.0.0.1:$INGEST_ADMIN_PORT" "$BIN_DIR/ingest-api") ;;
    worker-*) PROCESS+=("WAYBILL_WORKER__ADMIN_LISTEN=127.0.0.1:$(process_admin_port "$1")" "$BIN_DIR/worker") ;;
    serve) PROCESS+=("WAYBILL_SERVE__ADMIN_LISTEN=127.0.0.1:$SERVE_PORT"
      "WAYBILL_CONSOLE__LISTEN=127.0.0.1:$CONSOLE_PORT" "$BIN_DIR/waybill" serve) ;;
  esac
}

# What a process was made of: when this has changed, the running one is out of date.
process_print() {
  process_words "$1"
  {
    printf '%s\n' "${PROCESS[@]}" "$DATABASE_URL" "$AMQP_URL" "$RABBITMQ_API_URL" "$(secret pepper)"
    case $1 in
      ingest-api) cksum <"$BIN_DIR/ingest-api" ;;
      worker-*) cksum <"$BIN_DIR/worker" ;;
      serve) cksum <"$BIN_DIR/waybill" ;;
    esac
  } | cksum
}

# Starts what does not run, and restarts what is out of date or not ready. Sets PROCESSES_DONE to a summary.
processes_start() {
  local name print started='' restarted='' kept=''
  for name in $PROCESSES; do
    print=$(process_print "$name")
    if pid_alive "$RUN_DIR/$name.pid"; then
      if [ "$(cat "$RUN_DIR/$name.print" 2>/dev/null)" = "$print" ] && process_ready "$name"; then
        kept="$kept $name"
        continue
      fi
      process_stop "$name"
      restarted="$restarted $name"
    else
      started="$started $name"
    fi
    process_launch "$name"
    printf '%s\n' "$print" >"$RUN_DIR/$name.print"
  done
  for name in $PROCESSES; do process_wait "$name"; done
  PROCESSES_DONE=${started:+"started:$started. "}${restarted:+"restarted, out of date or not ready:$restarted. "}${kept:+"left running:$kept."}
}

process_launch() {
  process_words "$1"
  # shellcheck source=/dev/null
  (. "$DEV_DIR/env" && : >"$LOG_DIR/$1.log" && launch "$RUN_DIR/$1.pid" "$LOG_DIR/$1.log" "$ROOT" "${PROCESS[@]}")
}

# 0 ready, 1 not yet, 2 ended.
process_ready() {
  pid_alive "$RUN_DIR/$1.pid" || return 2
  curl -fs -o /dev/null --max-time 5 "http://127.0.0.1:$(process_admin_port "$1")/readyz" || return 1
}

process_wait() {
  local code=0 log="$LOG_DIR/$1.log"
  wait_for "$1 to be ready (port $(process_admin_port "$1"))" 60 process_ready "$1" || code=$?
  case $code in
    0) return 0 ;;
    2) fail "$1 ended" "$log" "exit code 78 means a mistake in the configuration: the log names it" ;;
    *) fail "$1 is not ready after 60 s: $(curl -s --max-time 5 "http://127.0.0.1:$(process_admin_port "$1")/readyz" | head -c 400)" \
      "$log" "./dev status shows what runs; then ./dev up again" ;;
  esac
}

# Our processes drain for at most process.shutdown_s_max (25 s).
process_stop() {
  stop_pid "$RUN_DIR/$1.pid" "$1" 30 TERM
  rm -f "$RUN_DIR/$1.print"
}

# All at once; ingest-api first, so that nothing new comes in.
processes_stop() {
  local name pids='' pid code=0
  for name in $PROCESSES; do
    (process_stop "$name") &
    pids="$pids $!"
  done
  for pid in $pids; do wait "$pid" || code=1; done
  return "$code"
}

processes_running() {
  local name
  for name in $PROCESSES; do ! pid_alive "$RUN_DIR/$name.pid" || return 0; done
  return 1
}
