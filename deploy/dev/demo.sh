# shellcheck shell=bash
# The demo traffic of tests/fixtures/demo, posted over HTTP with real credentials as its posting.tsv
# says: each source's files in order, one after another over one connection, the sources side by side.

DEMO_DIR=$ROOT/tests/fixtures/demo

# demo_curl_config SOURCE: one request per file, for curl -K.
demo_curl_config() {
  local source=$1 key path type idempotency rest first=1
  key=$(demo_key "$source")
  while IFS=$'\t' read -r path type idempotency rest; do
    case $path in "$source"/*) ;; *) continue ;; esac
    [ "$first" -eq 1 ] || echo next
    first=0
    curl_option url "http://127.0.0.1:$INGEST_PORT/v1/messages"
    curl_option user "$source:$key"
    curl_option header "Content-Type: $type"
    [ "$idempotency" = - ] || curl_option header "Idempotency-Key: $idempotency"
    curl_option data-binary "@$DEMO_DIR/$path"
    curl_option write-out '\nSTATUS %{http_code}\n'
    printf 'silent\nconnect-timeout = 5\nmax-time = 60\n'
  done <"$DEMO_DIR/posting.tsv"
}
curl_option() { printf '%s = "%s"\n' "$1" "$(printf %s "$2" | sed 's/["\\]/\\&/g')"; }

# demo_post SOURCE: answers go to a file, from which they are counted.
demo_post() { demo_curl_config "$1" | curl -K - >"$LOG_DIR/demo-$1.answers" 2>"$LOG_DIR/demo-$1.log"; }

# Refused is: a status that is not 2xx, or an HL7 acknowledgement other than AA and CA.
demo_count() {
  tr '\r' '\n' <"$LOG_DIR/demo-$1.answers" | awk -v source="$1" '
    /^MSA.[AC][ER]/ { nack = 1 }
    /^STATUS / { posted++; if ($2 ~ /^2/) ok++; if ($2 !~ /^2/ || nack) refused++; if ($2 == "000") silent++; nack = 0 }
    END {
      printf "%s: posted %d, answered 2xx %d, refused %d", source, posted, ok, refused
      if (silent) printf ", without an answer %d", silent
      print ""
      exit silent > 0 || posted == 0
    }'
}

# Posts it all. Whether this database has had it already, demo_posted says.
demo_run() {
  local source pids='' pid code=0
  [ -s "$DEMO_DIR/posting.tsv" ] || fail "the demo's $DEMO_DIR/posting.tsv is missing" "" "git status; git checkout tests/fixtures"
  for source in docutap tis; do
    demo_post "$source" &
    pids="$pids $!"
  done
  # shellcheck disable=SC2086  # pids
  wait_for "the answers to the demo traffic" 300 all_ended $pids || true
  for pid in $pids; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" || code=1
  done
  for source in docutap tis; do
    note "$(demo_count "$source")" || code=1
  done
  [ "$code" -eq 0 ] || fail "not every message of the demo was answered" "$LOG_DIR/ingest-api.log" \
    "./dev status, then ./dev up again: what was stored is not stored twice"
  demo_mark >>"$DEV_DIR/demo-posted"
}

demo_mark() { printf '%s' "$DATABASE_URL" | cksum; }

# Had this database the demo's messages? Our own mark, and messages in it (it may have been made anew).
demo_posted() {
  grep -qxF "$(demo_mark)" "$DEV_DIR/demo-posted" 2>/dev/null && [ "$(report_rows | rows_sum accepted)" -gt 0 ]
}

# report_rows: `waybill report --json`, one line per source: source=docutap accepted=310 ...
report_rows() {
  waybill report --json 2>>"$LOG_DIR/report.log" | tr -d ' \n"[]{' | tr '}' '\n' | tr ',:' ' =' | grep =
}

# rows_sum FIELD...: the sum of these fields over the rows on standard input.
rows_sum() {
  awk -v fields=" $* " '
    { for (i = 1; i <= NF; i++) { split($i, pair, "="); if (index(fields, " " pair[1] " ")) sum += pair[2] } }
    END { print sum + 0 }'
}

# Is every message final, or held behind a named dead letter? REPORT_COUNTS says how far it is.
demo_settled() {
  local rows
  rows=$(report_rows) && [ -n "$rows" ] || return 1
  REPORT_COUNTS=$(printf '%s\n' "$rows" | awk '
    { for (i = 1; i <= NF; i++) { split($i, pair, "="); v[pair[1]] = pair[2] }
      printf "%s%s %d of %d processed, %d dead, %d held", (NR > 1 ? "; " : ""),
        v["source"], v["processed"], v["accepted"], v["dead"], v["held"] }')
  progress "$REPORT_COUNTS"
  [ "$(printf '%s\n' "$rows" | rows_sum in_flight unaccounted)" -eq 0 ]
}

# Waits until the demo is settled. The table is the caller's to print.
demo_wait() {
  REPORT_COUNTS='no report yet'
  wait_for "every message to be final or held" 180 demo_settled || fail \
    "after 180 s not every message is final or held: $REPORT_COUNTS" "$LOG_DIR/worker-1.log" \
    ". .dev/env; waybill report; waybill dead list" "logs of the others: $LOG_DIR" "then ./dev up again"
}
