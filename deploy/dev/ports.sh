# shellcheck shell=bash
# Free ports on 127.0.0.1. Never a standard port of PostgreSQL or RabbitMQ, and below the range from
# which the system takes ports for outgoing connections.

PORTS_GIVEN=" "

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

port_free() {
  case $PORTS_GIVEN in *" $1 "*) return 1 ;; esac
  ! port_answers "$1"
}

# pick_port VARIABLE [PREFERRED]: sets VARIABLE to a free port, PREFERRED if that is free.
pick_port() {
  local candidate=${2:-} tries=0
  while [ -z "$candidate" ] || ! port_free "$candidate"; do
    tries=$((tries + 1))
    [ "$tries" -le 200 ] || fail "no free port found between 20000 and 31999 on 127.0.0.1"
    candidate=$((20000 + RANDOM % 12000))
  done
  PORTS_GIVEN="$PORTS_GIVEN$candidate "
  printf -v "$1" %s "$candidate"
}
