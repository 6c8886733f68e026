# shellcheck shell=bash
# ./dev lint: what a machine can say about the form. --full installs shellcheck where it is missing.

cmd_lint() {
  cargo_find
  STEP_WHAT="linting"
  cargo fmt --all --check || fail "formatting differs" "" "cargo fmt --all"
  cargo clippy --release --workspace --all-targets --locked -- -D warnings || fail "clippy objects" "" "see above"
  if [ "${1:-}" = --full ] && ! command -v shellcheck >/dev/null; then
    place_prepare
    packages_install "$(package_manager)" shellcheck
  fi
  if command -v shellcheck >/dev/null; then
    shellcheck -x dev .ci/run deploy/dev/fault.sh deploy/dev/room.sh || fail "shellcheck objects" "" "see above"
  else
    say "shellcheck is not installed: the shell scripts are not checked"
  fi
  say "lint: no objections"
}
