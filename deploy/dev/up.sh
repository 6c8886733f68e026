# shellcheck shell=bash
# ./dev up: from a fresh clone to every demo message accounted for. Each step leaves alone what stands.

cmd_up() {
  [ $# -eq 0 ] || { echo "usage: ./dev up" >&2 && exit 2; }
  place_prepare
  take_lock up "./dev up"
  services_choose
  steps_total $(($(services_steps) + 8))
  trap 'echo; echo "interrupted; ./dev up goes on from here, ./dev down stops what runs" >&2; exit 130' INT TERM
  services_start
  secrets_prepare
  processes_ports
  env_write
  up_build
  up_schema
  up_sources
  up_user
  up_processes
  up_demo
  up_farewell
}

up_build() {
  step "building (cargo build --release; the first time takes minutes)"
  build_binaries
  step_done "built: $BIN_DIR"
}

# up_waybill WHAT NEXT ARGUMENTS...: one command of the operator's tool, its output in a log.
up_waybill() {
  local what=$1 next=$2 log="$LOG_DIR/waybill.log"
  shift 2
  step "$what"
  waybill "$@" </dev/null >"$log" 2>&1 || fail "waybill $* failed" "$log" "$next"
}

up_schema() {
  up_waybill "migrating the database" \
    "if it cannot connect: ./dev status; with services of your own, check WAYBILL_DATABASE_URL" migrate
  step_done "the schema is up to date"
  up_waybill "declaring exchanges and queues" \
    "if a queue exists with other arguments: waybill topology check names the difference" topology apply
  step_done "the topology stands"
}

# Applies the example sources; keys are shown once, so they are kept at once.
up_sources() {
  local name log="$LOG_DIR/waybill.log" out="$RUN_DIR/keys.json"
  step "applying the example sources"
  (umask 077 && waybill apply -f deploy/sources.example.toml --json </dev/null >"$out" 2>"$log") ||
    fail "waybill apply failed" "$log" "look at deploy/sources.example.toml: git diff deploy"
  keys_keep <"$out"
  for name in docutap tis; do
    [ -z "$(demo_key "$name")" ] || continue
    (umask 077 && waybill source rotate-key "$name" --json </dev/null >"$out" 2>"$log") ||
      fail "source $name has no key known here, and none could be made" "$log" "./dev down --purge begins anew"
    keys_keep <"$out"
    note "source $name existed without a key known here: it has a new one"
  done
  rm -f "$out"
  env_write
  step_done "sources docutap and tis, keys in .dev/env"
}

# The console's user. Its password is .dev's, so that .dev/env is right whatever stood there before.
up_user() {
  local log="$LOG_DIR/waybill.log" verb=add
  step "adding the console's user"
  if waybill user list --json </dev/null 2>"$log" | grep -q '"name": "admin"'; then verb=password; fi
  if [ "$verb" = password ] && [ "$(cat "$RUN_DIR/console-user" 2>/dev/null)" = "$(secret console | cksum)" ]; then
    step_done "the console's user is there"
    return 0
  fi
  local role=()
  [ "$verb" = password ] || role=(--role admin)
  secret console | waybill user "$verb" admin ${role[@]+"${role[@]}"} --actor "./dev up" >"$log" 2>&1 ||
    fail "waybill user $verb failed" "$log" ". .dev/env; waybill user list"
  secret console | cksum >"$RUN_DIR/console-user"
  step_done "the console's user admin, password in .dev/env"
}

# Takes each {"name": ..., "key": ...} of the JSON on standard input into .dev/keys, the latest last.
keys_keep() {
  (
    umask 077
    tr -d ' \n' | tr '{' '\n' |
      sed -n 's/^"name":"\([a-z0-9-]*\)","key":"\([^"]*\)".*/\1=\2/p' >>"$DEV_DIR/keys"
  )
}

up_processes() {
  step "starting ingest-api, two workers and waybill serve"
  processes_start
  step_done "${PROCESSES_DONE% }"
}

up_demo() {
  step "posting the demo traffic"
  if demo_posted; then
    step_done "the demo's messages were posted before; not again"
  else
    demo_run
    step_done "the demo traffic is posted"
  fi
  step "waiting until every message is final or held"
  demo_wait
  step_done "all accounted for: $REPORT_COUNTS"
}

up_farewell() {
  echo
  waybill report || fail "waybill report failed" "" ". .dev/env; waybill report"
  cat <<TEXT

Running, until ./dev down:
  API      http://127.0.0.1:$INGEST_PORT
  console  http://127.0.0.1:$CONSOLE_PORT (user admin; its password: . .dev/env; echo "\$WAYBILL_CONSOLE_PASSWORD")
  metrics  http://127.0.0.1:$INGEST_ADMIN_PORT/metrics (ingest-api)
           http://127.0.0.1:$WORKER_1_PORT/metrics, http://127.0.0.1:$WORKER_2_PORT/metrics (workers)
           http://127.0.0.1:$SERVE_PORT/metrics (serve)

Send a message of your own:
  . .dev/env
  curl -i "\$WAYBILL_INGEST_URL/v1/messages" -H "Authorization: Bearer \$WAYBILL_DEMO_TIS_KEY" \\
    -H 'Content-Type: application/json' -H "Idempotency-Key: my-first" \\
    -d '{"programmeMembershipTisId": "1", "conditionsOfJoining": {"signedAt": "2026-01-31T12:00:00Z", "version": "GG10"}}'
and follow it, with the id of the answer:
  waybill message show ID
TEXT
}
