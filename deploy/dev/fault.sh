#!/usr/bin/env bash
# WAYBILL_FAULT_CTL of ./dev test and WAYBILL_CHAOS_CTL of ./dev chaos: what they do to services of
# their own.
#   fault.sh SET rabbitmq stop|start|kill|pause|resume|alarm|calm|disk-alarm|disk-calm|wipe
#   fault.sh SET postgres stop|start|kill|pause|resume|fsync-fail|fsync-slow|fsync-well
#   fault.sh SET postgres small-disk|fill|empty|no-small-disk
#   fault.sh SET can WORDS...      prints why this machine cannot, or nothing
# Each returns when the state is reached, or fails and says why.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck source=deploy/dev/load.sh
. "$ROOT/deploy/dev/load.sh"

set_name=${1:-} service=${2:-} verb=${3:-}
STEP_WHAT="injecting '$service $verb'"
if ! place_known || [ -z "$set_name" ] || [ ! -s "$DEV_DIR/$set_name/ports" ]; then fail "there is no set '$set_name' of services"; fi
packages_present || fail "PostgreSQL or RabbitMQ is missing"
as_service_words
use_set "$set_name"
shim_use

case "$service $verb" in
  'rabbitmq stop') rabbitmq_stop_node ;;
  'rabbitmq start') rabbitmq_start ;;
  'rabbitmq kill') rabbitmq_kill ;;
  'rabbitmq pause') rabbitmq_pause ;;
  'rabbitmq resume') rabbitmq_resume ;;
  'rabbitmq alarm') rabbitmq_watermark 0.0001 ;;
  'rabbitmq calm') rabbitmq_watermark absolute 1024MiB ;;
  'rabbitmq disk-alarm') rabbitmq_disk_limit 900GB ;;
  'rabbitmq disk-calm') rabbitmq_disk_limit 50MB ;;
  'rabbitmq wipe') rabbitmq_wipe ;;
  'postgres stop') postgres_stop ;;
  'postgres start') postgres_start superuser ;;
  'postgres kill') postgres_kill ;;
  'postgres pause') postgres_signal STOP ;;
  'postgres resume') postgres_signal CONT ;;
  'postgres fsync-fail') shim_fsync fail ;;
  'postgres fsync-slow') shim_fsync slow ;;
  'postgres fsync-well') shim_fsync well && postgres_recovered ;;
  'postgres small-disk') small_disk ;;
  'postgres fill') small_disk_fill ;;
  'postgres empty') rm -f "$SET_DATA/small/filler" ;;
  'postgres no-small-disk') small_disk_gone ;;
  can\ *) shift 2 && machine_cannot "$*" ;;
  *)
    sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
