# shellcheck shell=bash
# A browser for the tests of the console: the system's own Chromium and the driver that comes with it. Also
# ./dev screenshots, which takes the pictures of docs/CONSOLE.md anew.

BROWSER_SET=screenshots

# Finds both, under the names they have; the tests read the variables.
browser_find() {
  WAYBILL_TEST_CHROMEDRIVER=$(command -v chromedriver) || return 1
  WAYBILL_TEST_CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || return 1
  export WAYBILL_TEST_CHROMEDRIVER WAYBILL_TEST_CHROMIUM
}

# What to install, by this manager's names; nothing where it has no such packages.
browser_packages() {
  case $1 in
    apt-get) printf %s "chromium chromium-driver" ;;
    dnf) printf %s "chromium chromedriver" ;;
  esac
}

# Prints why this machine cannot have them; nothing when it can.
browser_cannot() {
  local manager names
  ! browser_find || return 0
  manager=$(package_manager) || true
  names=$(browser_packages "$manager")
  if [ -z "$names" ]; then
    echo "Chromium and chromedriver are not here, and there is no ${manager:-package manager} package of them"
  elif [ "$manager" = apt-get ] && ! apt-cache show "${names##* }" >/dev/null 2>&1; then
    echo "this machine's apt has no ${names##* }"
  elif ! running_as_root && ! sudo -n true 2>/dev/null; then
    echo "$names must be installed, and $(id -un) may not do that"
  fi
}

# Installs what is missing: some 300 MB, once. In a shell of its own, so that a failure is the group's alone.
browser_install() {
  local manager
  ! browser_find || return 0
  manager=$(package_manager)
  (packages_install "$manager" "$(browser_packages "$manager")") && browser_find
}

# Part of ./dev test: whether the tests in a browser run with the others. BROWSER_HERE says so.
test_browser() {
  local reason=
  BROWSER_HERE=
  [ "${1:-}" != --full ] || browser_find || ! running_as_root || apt-get update >>"$PACKAGES_LOG" 2>&1 || true
  reason=$(browser_cannot)
  if [ -z "$reason" ] && [ "${1:-}" != --full ] && ! browser_find; then
    reason="Chromium and chromedriver are not here; ./dev test --full installs them"
  fi
  if [ -n "$reason" ]; then
    count_skip browser "$reason"
  elif ! browser_install; then
    echo "FAIL browser: Chromium could not be installed; $PACKAGES_LOG says why"
    FAILED=$((FAILED + 1))
  else
    BROWSER_HERE=1
    say "browser: $("$WAYBILL_TEST_CHROMIUM" --version 2>/dev/null)"
  fi
}

cmd_screenshots() {
  local reason
  [ $# -eq 0 ] || { echo "usage: ./dev screenshots" >&2 && exit 2; }
  place_prepare
  take_lock screenshots "./dev screenshots"
  steps_total 3
  trap 'exit 130' INT TERM
  trap screenshots_clean EXIT
  step "building (cargo build --release)"
  build_binaries
  step_done "built: $BIN_DIR"
  step "starting PostgreSQL and RabbitMQ, and finding a browser"
  reason=$(browser_cannot)
  [ -z "$reason" ] || fail "$reason" "" "install Chromium and its chromedriver by hand"
  browser_install || fail "Chromium could not be installed" "$PACKAGES_LOG"
  sets_prepare
  sets_drop "$BROWSER_SET" || fail "leftovers of an earlier run cannot be stopped"
  sets_start "$BROWSER_SET"
  use_set "$BROWSER_SET"
  eval "$(set_exports TEST)"
  step_done "private services run, and $("$WAYBILL_TEST_CHROMIUM" --version 2>/dev/null)"
  step "taking the pictures"
  export WAYBILL_TEST_BIN_DIR=$BIN_DIR WAYBILL_SCREENSHOTS_DIR=$ROOT/docs/screenshots
  cargo test --release --locked --workspace --test it browser::pictures </dev/null ||
    fail "not every picture could be taken: see above"
  screenshots_clean
  trap - EXIT
  step_done "taken: docs/screenshots; look at each before it is committed"
}

screenshots_clean() {
  trap '' INT TERM
  place_known || return 0
  sets_drop "$BROWSER_SET" || echo "the services did not end; ./dev down --purge tries again" >&2
}
