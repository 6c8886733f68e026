# shellcheck shell=bash
# .dev/env, to be sourced by a shell: where everything is and with which credentials.

shell_quote() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }
env_line() { printf 'export %s=%s\n' "$1" "$(shell_quote "$2")"; }

# demo_key NAME: the key of an example source, as kept in .dev/keys.
demo_key() { if [ -s "$DEV_DIR/keys" ]; then sed -n "s/^$1=//p" "$DEV_DIR/keys" | tail -n 1; fi; }

# env_write: from DATABASE_URL, AMQP_URL, RABBITMQ_API_URL, the ports of our processes and the keys.
env_write() {
  (
    umask 077
    {
      echo "# Written by ./dev up, for a shell: . .dev/env"
      env_line WAYBILL_DATABASE_URL "$DATABASE_URL"
      env_line WAYBILL_AMQP_URL "$AMQP_URL"
      if [ -n "$RABBITMQ_API_URL" ]; then
        env_line WAYBILL_RABBITMQ_API_URL "$RABBITMQ_API_URL"
      else
        echo "unset WAYBILL_RABBITMQ_API_URL"
      fi
      env_line WAYBILL_INGEST_URL "http://127.0.0.1:$INGEST_PORT"
      env_line WAYBILL_CONSOLE_URL "http://127.0.0.1:$CONSOLE_PORT"
      env_line WAYBILL_CONSOLE_USER admin
      env_line WAYBILL_CONSOLE_PASSWORD "$(secret console)"
      env_line WAYBILL_INGEST_ADMIN_URL "http://127.0.0.1:$INGEST_ADMIN_PORT"
      env_line WAYBILL_WORKER_ADMIN_URLS "http://127.0.0.1:$WORKER_1_PORT,http://127.0.0.1:$WORKER_2_PORT"
      env_line WAYBILL_SERVE_ADMIN_URL "http://127.0.0.1:$SERVE_PORT"
      env_line WAYBILL_DEMO_DOCUTAP_KEY "$(demo_key docutap)"
      env_line WAYBILL_DEMO_TIS_KEY "$(demo_key tis)"
      env_line WAYBILL_AUTH__PEPPER "$(secret pepper)"
      printf 'case ":$PATH:" in *:%s:*) ;; *) export PATH=%s:"$PATH" ;; esac\n' \
        "$(shell_quote "$BIN_DIR")" "$(shell_quote "$BIN_DIR")"
    } >"$DEV_DIR/env.new"
  )
  mv "$DEV_DIR/env.new" "$DEV_DIR/env"
}

# waybill ARGUMENTS...: the operator's tool, with the environment of .dev/env.
waybill() (
  # shellcheck source=/dev/null
  . "$DEV_DIR/env"
  exec "$BIN_DIR/waybill" "$@"
)
