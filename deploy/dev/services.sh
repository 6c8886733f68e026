# shellcheck shell=bash
# Which PostgreSQL and RabbitMQ `up` uses: the user's own, Docker Compose, or native packages.
# Sets DATABASE_URL, AMQP_URL and RABBITMQ_API_URL.

# env_value NAME: what .dev/env holds for it.
env_value() { if [ -s "$DEV_DIR/env" ]; then sed -n "s/^export $1='\(.*\)'\$/\1/p" "$DEV_DIR/env"; fi; }

services_recorded() { cat "$DEV_DIR/chosen" 2>/dev/null || true; }

# A variable is the user's own when it is set, and not merely because .dev/env was sourced. A .dev/env
# that was written for the user's own services holds the user's own values, though.
variable_is_own() {
  local value=${!1:-}
  [ -n "$value" ] || return 1
  [ "$value" != "$(env_value "$1")" ] || [ "$(services_recorded)" = external ]
}

# Sets SERVICES to external, compose or native. What holds data already is kept, as long as it can run.
services_choose() {
  local own=0
  ! variable_is_own WAYBILL_DATABASE_URL || own=$((own + 1))
  ! variable_is_own WAYBILL_AMQP_URL || own=$((own + 1))
  SERVICES=${WAYBILL_DEV_SERVICES:-}
  case $SERVICES in
    native | compose) return 0 ;;
    external | '') ;;
    *) fail "WAYBILL_DEV_SERVICES is '$SERVICES'" "" "set it to native, compose or external, or to nothing" ;;
  esac
  if [ "$own" -eq 2 ]; then
    SERVICES=external
  elif [ "$own" -eq 1 ] || [ "$SERVICES" = external ]; then
    fail "of WAYBILL_DATABASE_URL and WAYBILL_AMQP_URL, $own of 2 names a service of your own" "" \
      "set both to use services of your own, or unset both"
  elif [ "$(services_recorded)" = native ] && [ -d "$DEV_DIR/up" ]; then
    SERVICES=native
  elif compose_answers; then
    SERVICES=compose
  else
    SERVICES=native
  fi
}

# The steps that services_start takes.
services_steps() { if [ "$SERVICES" = native ]; then echo 3; else echo 1; fi; }

services_start() {
  case $SERVICES in
    external) services_external ;;
    compose)
      step "starting PostgreSQL and RabbitMQ with Docker Compose"
      compose_start
      step_done "PostgreSQL and RabbitMQ run in Docker"
      ;;
    native) services_native ;;
  esac
  printf '%s\n' "$SERVICES" >"$DEV_DIR/chosen"
}

services_external() {
  step "looking at the services of WAYBILL_DATABASE_URL and WAYBILL_AMQP_URL"
  DATABASE_URL=$WAYBILL_DATABASE_URL
  AMQP_URL=$WAYBILL_AMQP_URL
  RABBITMQ_API_URL=
  ! variable_is_own WAYBILL_RABBITMQ_API_URL || RABBITMQ_API_URL=$WAYBILL_RABBITMQ_API_URL
  step_done "your own PostgreSQL and RabbitMQ are used as they are"
}

services_native() {
  step "finding PostgreSQL and RabbitMQ"
  sets_prepare
  secrets_prepare
  set_prepare up
  step_done "PostgreSQL from $PG_BIN, RabbitMQ from $RABBIT_SBIN"
  step "starting PostgreSQL"
  postgres_start
  step_done "PostgreSQL on 127.0.0.1:$PG_PORT"
  step "starting RabbitMQ"
  rabbitmq_start
  step_done "RabbitMQ on 127.0.0.1:$AMQP_PORT"
  DATABASE_URL=$(postgres_url)
  AMQP_URL=$(rabbitmq_amqp_url)/waybill
  RABBITMQ_API_URL=$(rabbitmq_api_url)
}

# ./dev services up|down NAME [--rabbitmq 4]: a private native set for whoever needs one, such as a test by hand.
cmd_services() {
  local name=${2:-} ROOM_WANTED=
  case $name in '' | *[!a-z0-9-]*)
    echo "usage: ./dev services up|down NAME   (NAME of a-z, 0-9 and -)" >&2
    exit 2
    ;;
  esac
  case "$1 ${*:3}" in
    'up ' | 'up --rabbitmq 4')
      STEP_WHAT="starting the services of $name"
      sets_prepare >&2
      if [ $# -gt 2 ]; then
        room_ensure >&2
        ROOM_WANTED=$ROOM
      fi
      sets_start "extra/$name" >&2
      use_set "extra/$name"
      set_exports TEST
      ;;
    'down ')
      place_prepare
      place_known || return 0
      sets_drop "extra/$name"
      ;;
    *) echo "usage: ./dev services up NAME [--rabbitmq 4], or down NAME" >&2 && exit 2 ;;
  esac
}
