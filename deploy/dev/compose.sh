# shellcheck shell=bash
# PostgreSQL and RabbitMQ from docker-compose.yml, where a Docker engine answers.

compose_answers() {
  command -v docker >/dev/null && with_deadline 5 docker info && with_deadline 5 docker compose version
}

# The project's name follows from the folder, so two checkouts do not share containers or volumes.
compose_project() { printf 'waybill-%s' "$(printf %s "$ROOT" | cksum | cut -d ' ' -f 1)"; }

compose_environment() {
  COMPOSE_PROJECT=$(compose_project)
  if [ -s "$DEV_DIR/compose" ]; then
    # shellcheck source=/dev/null
    . "$DEV_DIR/compose"
  fi
  WAYBILL_COMPOSE_PASSWORD=$(secret compose)
  export WAYBILL_COMPOSE_PASSWORD WAYBILL_COMPOSE_POSTGRES_PORT WAYBILL_COMPOSE_RABBITMQ_PORT WAYBILL_COMPOSE_RABBITMQ_API_PORT
}

compose() { docker compose -p "$COMPOSE_PROJECT" -f "$ROOT/docker-compose.yml" "$@"; }

compose_running() { [ -n "$(compose ps -q postgres 2>/dev/null)" ] && [ -n "$(compose ps -q rabbitmq 2>/dev/null)" ]; }

compose_start() {
  local log=$LOG_DIR/compose.log
  compose_environment
  if ! compose_running; then
    pick_port WAYBILL_COMPOSE_POSTGRES_PORT "${WAYBILL_COMPOSE_POSTGRES_PORT:-}"
    pick_port WAYBILL_COMPOSE_RABBITMQ_PORT "${WAYBILL_COMPOSE_RABBITMQ_PORT:-}"
    pick_port WAYBILL_COMPOSE_RABBITMQ_API_PORT "${WAYBILL_COMPOSE_RABBITMQ_API_PORT:-}"
    printf '%s=%s\n' WAYBILL_COMPOSE_POSTGRES_PORT "$WAYBILL_COMPOSE_POSTGRES_PORT" \
      WAYBILL_COMPOSE_RABBITMQ_PORT "$WAYBILL_COMPOSE_RABBITMQ_PORT" \
      WAYBILL_COMPOSE_RABBITMQ_API_PORT "$WAYBILL_COMPOSE_RABBITMQ_API_PORT" >"$DEV_DIR/compose"
  fi
  note "log: $log (the first time, images are pulled)"
  compose up -d --wait --wait-timeout 300 postgres rabbitmq </dev/null 2>&1 | tee "$log" | sed 's/^/      /' ||
    fail "docker compose could not start PostgreSQL and RabbitMQ" "$log" \
      "docker compose -p $COMPOSE_PROJECT logs" "or without Docker: WAYBILL_DEV_SERVICES=native ./dev up"
  DATABASE_URL="postgres://waybill:$WAYBILL_COMPOSE_PASSWORD@127.0.0.1:$WAYBILL_COMPOSE_POSTGRES_PORT/waybill"
  AMQP_URL="amqp://waybill:$WAYBILL_COMPOSE_PASSWORD@127.0.0.1:$WAYBILL_COMPOSE_RABBITMQ_PORT/waybill"
  RABBITMQ_API_URL="http://waybill:$WAYBILL_COMPOSE_PASSWORD@127.0.0.1:$WAYBILL_COMPOSE_RABBITMQ_API_PORT"
}

# compose_stop [--volumes]: removes the containers; the data stays unless asked for.
compose_stop() {
  local log=$LOG_DIR/compose.log
  compose_environment
  note "stopping the containers of $COMPOSE_PROJECT"
  compose down ${1:+"$1"} </dev/null >"$log" 2>&1 ||
    fail "docker compose could not stop the containers" "$log" "docker compose -p $COMPOSE_PROJECT down"
}
