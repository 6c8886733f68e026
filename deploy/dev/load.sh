# shellcheck shell=bash
# Where everything stands, and the rooms of ./dev in the order in which they build on each other.
# Needs ROOT, the absolute folder of the checkout.

umask 022  # the service user must reach its data; what is secret is closed one by one
DEV_DIR=$ROOT/.dev
LOG_DIR=$DEV_DIR/log
RUN_DIR=$DEV_DIR/run
TARGET_DIR=${CARGO_TARGET_DIR:-target}
case $TARGET_DIR in /*) ;; *) TARGET_DIR=$ROOT/$TARGET_DIR ;; esac
BIN_DIR=$TARGET_DIR/release

# shellcheck source=deploy/dev/ui.sh
. "$ROOT/deploy/dev/ui.sh"
# shellcheck source=deploy/dev/place.sh
. "$ROOT/deploy/dev/place.sh"
# shellcheck source=deploy/dev/pids.sh
. "$ROOT/deploy/dev/pids.sh"
# shellcheck source=deploy/dev/ports.sh
. "$ROOT/deploy/dev/ports.sh"
# shellcheck source=deploy/dev/packages.sh
. "$ROOT/deploy/dev/packages.sh"
# shellcheck source=deploy/dev/sets.sh
. "$ROOT/deploy/dev/sets.sh"
# shellcheck source=deploy/dev/postgres.sh
. "$ROOT/deploy/dev/postgres.sh"
# shellcheck source=deploy/dev/rabbitmq.sh
. "$ROOT/deploy/dev/rabbitmq.sh"
# shellcheck source=deploy/dev/rabbitmq4.sh
. "$ROOT/deploy/dev/rabbitmq4.sh"
# shellcheck source=deploy/dev/breaking.sh
. "$ROOT/deploy/dev/breaking.sh"
# shellcheck source=deploy/dev/compose.sh
. "$ROOT/deploy/dev/compose.sh"
# shellcheck source=deploy/dev/services.sh
. "$ROOT/deploy/dev/services.sh"
# shellcheck source=deploy/dev/build.sh
. "$ROOT/deploy/dev/build.sh"
# shellcheck source=deploy/dev/env.sh
. "$ROOT/deploy/dev/env.sh"
# shellcheck source=deploy/dev/processes.sh
. "$ROOT/deploy/dev/processes.sh"
# shellcheck source=deploy/dev/demo.sh
. "$ROOT/deploy/dev/demo.sh"
# shellcheck source=deploy/dev/up.sh
. "$ROOT/deploy/dev/up.sh"
# shellcheck source=deploy/dev/down.sh
. "$ROOT/deploy/dev/down.sh"
# shellcheck source=deploy/dev/status.sh
. "$ROOT/deploy/dev/status.sh"
# shellcheck source=deploy/dev/count.sh
. "$ROOT/deploy/dev/count.sh"
# shellcheck source=deploy/dev/browser.sh
. "$ROOT/deploy/dev/browser.sh"
# shellcheck source=deploy/dev/test.sh
. "$ROOT/deploy/dev/test.sh"
# shellcheck source=deploy/dev/bench.sh
. "$ROOT/deploy/dev/bench.sh"
# shellcheck source=deploy/dev/chaos.sh
. "$ROOT/deploy/dev/chaos.sh"
# shellcheck source=deploy/dev/lint.sh
. "$ROOT/deploy/dev/lint.sh"
# shellcheck source=deploy/dev/help.sh
. "$ROOT/deploy/dev/help.sh"
