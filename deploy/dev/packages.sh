# shellcheck shell=bash
# PostgreSQL and RabbitMQ from the system's own package manager, when they are missing. The packages'
# own services are neither started nor enabled: private instances are all that ./dev runs.

PACKAGES_LOG=$LOG_DIR/packages.log

packages_present() { postgres_find && rabbitmq_find; }

package_manager() {
  local manager
  for manager in apt-get dnf brew; do
    if command -v "$manager" >/dev/null; then
      printf %s "$manager"
      return 0
    fi
  done
  return 1
}

# What to install: only what is missing, by this manager's names.
packages_missing() {
  local names=
  postgres_find || case $1 in
    apt-get) names="postgresql" ;;
    dnf) names="postgresql-server" ;;
    brew) names="postgresql@17" ;;
  esac
  rabbitmq_find || case $1 in
    apt-get | dnf) names="$names rabbitmq-server" ;;
    brew) names="$names rabbitmq" ;;
  esac
  printf %s "${names# }"
}

packages_command() {
  case $1 in
    apt-get) printf %s "apt-get install -y --no-install-recommends $2" ;;
    dnf) printf %s "dnf install -y --setopt=install_weak_deps=False $2" ;;
    brew) printf %s "brew install $2" ;;
  esac
}

# Finds the packages or installs them.
packages_ensure() {
  local manager names
  if packages_present; then return 0; fi
  manager=$(package_manager) ||
    fail "PostgreSQL 15+ or RabbitMQ is missing, and neither apt-get, dnf nor brew is here to install it" "" \
      "install both by hand" "or start a Docker engine, or set WAYBILL_DATABASE_URL and WAYBILL_AMQP_URL"
  names=$(packages_missing "$manager")
  note "missing: $names"
  packages_install "$manager" "$names"
  packages_present ||
    fail "after installing $names there is still no $(packages_missing_what)" "$PACKAGES_LOG" \
      "install PostgreSQL 15 or later and RabbitMQ 3.10 or later by hand" \
      "or start a Docker engine, or set WAYBILL_DATABASE_URL and WAYBILL_AMQP_URL"
}

packages_missing_what() {
  if postgres_find; then printf 'RabbitMQ server'; else printf 'PostgreSQL server of version 15 or later'; fi
}

packages_install() {
  local manager=$1 names=$2 command code=0 began=$SECONDS told=$SECONDS pid
  command=$(packages_command "$manager" "$names")
  AS_ROOT=env
  if [ "$manager" != brew ] && ! running_as_root; then
    if ! sudo -n true 2>/dev/null; then
      fail "$names must be installed, and $(id -un) may not do that" "" "have root run: $command" \
        "or start a Docker engine, or set WAYBILL_DATABASE_URL and WAYBILL_AMQP_URL"
    fi
    AS_ROOT="sudo -n"
  fi
  note "installing: $command"
  note "log: $PACKAGES_LOG"
  packages_run "$manager" "$command" >>"$PACKAGES_LOG" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    progress "installing $names … $((SECONDS - began)) s: $(tail -n 1 "$PACKAGES_LOG" 2>/dev/null | cut -c1-60)"
    if [ ! -t 1 ] && [ $((SECONDS - told)) -ge 10 ]; then
      note "installing $names … $((SECONDS - began)) s"
      told=$SECONDS
    fi
    sleep 0.5
  done
  progress_clear
  wait "$pid" || code=$?
  [ "$code" -eq 0 ] || fail "installing $names failed (exit $code)" "$PACKAGES_LOG" "run by hand: $command"
}

# One installation, guarded; the guard goes again however this ends.
packages_run() {
  trap - ERR
  trap packages_unguard EXIT
  trap 'exit 1' INT TERM
  packages_guard
  case $1 in
    apt-get) packages_apt "$2" ;;
    *) $AS_ROOT $2 ;;
  esac
  # On a machine with systemd, a package enables its service for the next boot: not what was asked for.
  if command -v systemctl >/dev/null && [ "$1" != brew ]; then
    case $2 in *postgresql*) $AS_ROOT systemctl disable postgresql || true ;; esac
    case $2 in *rabbitmq*) $AS_ROOT systemctl disable rabbitmq-server || true ;; esac
  fi
}

packages_apt() {
  local tries
  for tries in 1 2 3 4 5 6; do
    # The lists' lock has no waiting of its own.
    ! $AS_ROOT apt-get update || break
    [ "$tries" -eq 6 ] || sleep 5
  done
  # shellcheck disable=SC2086  # a command line of words without spaces
  $AS_ROOT env DEBIAN_FRONTEND=noninteractive $1 -o DPkg::Lock::Timeout=600
}

# policy-rc.d, Debian's own way to say "start no service now". One that was there comes back afterwards.
POLICY=/usr/sbin/policy-rc.d
packages_guard() {
  [ -d /usr/sbin ] && command -v dpkg >/dev/null || return 0
  [ ! -e "$POLICY" ] || $AS_ROOT mv "$POLICY" "$POLICY.before-waybill"
  printf '#!/bin/sh\n# Put here by ./dev of Waybill while it installs packages.\nexit 101\n' |
    $AS_ROOT tee "$POLICY" >/dev/null
  $AS_ROOT chmod 755 "$POLICY"
}
packages_unguard() {
  [ -d /usr/sbin ] && command -v dpkg >/dev/null || return 0
  if [ -e "$POLICY.before-waybill" ]; then
    $AS_ROOT mv "$POLICY.before-waybill" "$POLICY"
  elif grep -q 'by ./dev of Waybill' "$POLICY" 2>/dev/null; then
    $AS_ROOT rm -f "$POLICY"
  fi
}
