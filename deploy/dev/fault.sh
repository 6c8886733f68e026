#!/usr/bin/env bash
# WAYBILL_FAULT_CTL of ./dev test: what the fault tests do to their own set of services.
#   fault.sh SET rabbitmq stop|start|kill|pause|resume|alarm|calm
#   fault.sh SET postgres stop|start|kill
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

case "$service $verb" in
  'rabbitmq stop') rabbitmq_stop_node ;;
  'rabbitmq start') rabbitmq_start ;;
  'rabbitmq kill') rabbitmq_kill ;;
  'rabbitmq pause') rabbitmq_pause ;;
  'rabbitmq resume') rabbitmq_resume ;;
  'rabbitmq alarm') rabbitmq_watermark 0.0001 ;;
  'rabbitmq calm') rabbitmq_watermark absolute 1024MiB ;;
  'postgres stop') postgres_stop ;;
  'postgres start') postgres_start superuser ;;
  'postgres kill') postgres_kill ;;
  *)
    sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
