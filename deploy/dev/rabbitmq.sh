# shellcheck shell=bash
# A private RabbitMQ of the set in use: its own epmd, node name, cookie, ports, plugins and vhost.
# The user `guest` is never made. Everything comes from the environment given here, nothing from /etc.

# Sets RABBIT_SBIN and EPMD; fails when either is missing. Not /usr/sbin/rabbitmq*: those insist on root.
rabbitmq_find() {
  local folder
  RABBIT_SBIN=
  EPMD=$(command -v epmd || true)
  for folder in /usr/lib/erlang/erts-*/bin /usr/lib64/erlang/erts-*/bin /opt/homebrew/opt/erlang/lib/erlang/erts-*/bin; do
    [ -n "$EPMD" ] || [ ! -x "$folder/epmd" ] || EPMD=$folder/epmd
  done
  for folder in /usr/lib/rabbitmq/bin /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin \
    /opt/homebrew/opt/rabbitmq/sbin /usr/local/opt/rabbitmq/sbin; do
    [ ! -x "$folder/rabbitmq-server" ] || RABBIT_SBIN=$folder
  done
  [ -n "$RABBIT_SBIN" ] && [ -n "$EPMD" ]
}

# The words that run a program of RabbitMQ's in this set's own world; where its programs are.
rabbitmq_words() {
  local data=$SET_DATA/rabbitmq path=$PATH
  AS_SET=("${AS_SERVICE[@]}")
  SET_SBIN=$RABBIT_SBIN SET_EPMD=$EPMD
  if [ -n "$RABBIT_ROOM" ]; then
    room_words
    SET_SBIN=/usr/lib/rabbitmq/bin SET_EPMD=/usr/bin/epmd path=/usr/sbin:/usr/bin:/sbin:/bin
  fi
  RABBIT=("${AS_SET[@]}" env -i "PATH=$path" LC_ALL=C.UTF-8 "HOME=$data"
    "ERL_EPMD_PORT=$EPMD_PORT" ERL_EPMD_ADDRESS=127.0.0.1 "ERL_CRASH_DUMP=$data/crash.dump"
    "RABBITMQ_NODENAME=$RABBIT_NODE" "RABBITMQ_DIST_PORT=$DIST_PORT"
    "RABBITMQ_MNESIA_BASE=$data/mnesia" "RABBITMQ_SCHEMA_DIR=$data/schema"
    "RABBITMQ_GENERATED_CONFIG_DIR=$data/config" "RABBITMQ_PID_FILE=$data/node.pid"
    "RABBITMQ_CONFIG_FILE=$data/rabbitmq.conf" "RABBITMQ_ADVANCED_CONFIG_FILE=$data/advanced.config"
    "RABBITMQ_ENABLED_PLUGINS_FILE=$data/plugins" RABBITMQ_CONF_ENV_FILE=/dev/null
    "RABBITMQ_LOG_BASE=$data/log" RABBITMQ_LOGS=-
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none")
}

# Starts it unless it runs, and waits until it takes connections.
rabbitmq_start() {
  local log="$SET_LOG-rabbitmq.log" code=0
  rabbitmq_words
  if ! pid_alive "$SET_DIR/rabbitmq.pid"; then
    rabbitmq_configure || fail "RabbitMQ's configuration cannot be written to $SET_DATA/rabbitmq"
    rabbitmq_start_epmd
    launch "$SET_DIR/rabbitmq-script.pid" "$log" "$SET_DATA/rabbitmq" "${RABBIT[@]}" "$SET_SBIN/rabbitmq-server"
  fi
  wait_for "RabbitMQ on port $AMQP_PORT" 120 rabbitmq_ready || code=$?
  [ "$code" -eq 0 ] || fail "RabbitMQ $([ "$code" -eq 2 ] && echo ended || echo "is not ready after 120 s")" "$log" \
    "./dev down, then the same command again; with ./dev down --purge from empty data"
}

# Erlang's port mapper, our own and in the foreground: one that a node starts by itself outlives the node.
rabbitmq_start_epmd() {
  pid_alive "$SET_DIR/epmd.pid" && return 0
  launch "$SET_DIR/epmd.pid" "$SET_LOG-rabbitmq.log" "$SET_DATA/rabbitmq" "${RABBIT[@]}" \
    "$SET_EPMD" -port "$EPMD_PORT" -address 127.0.0.1
  wait_for "epmd on port $EPMD_PORT" 20 port_answers "$EPMD_PORT" ||
    fail "epmd does not answer on port $EPMD_PORT" "$SET_LOG-rabbitmq.log"
}

rabbitmq_configure() {
  (
    cd -- "$SET_DATA"
    "${AS_SERVICE[@]}" sh -c 'umask 077 && mkdir -p rabbitmq/mnesia rabbitmq/log && rm -f rabbitmq/node.pid &&
      cat >rabbitmq/rabbitmq.conf && echo "[rabbitmq_management,rabbitmq_prometheus]." >rabbitmq/plugins &&
      echo "[]." >rabbitmq/advanced.config'
  ) <<CONF
listeners.tcp.local = 127.0.0.1:$AMQP_PORT
management.tcp.ip = 127.0.0.1
management.tcp.port = $API_PORT
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $PROMETHEUS_PORT
default_vhost = waybill
default_user = waybill
default_pass = $(secret rabbitmq)
default_user_tags.administrator = true
raft.wal_max_size_bytes = 67108864
vm_memory_high_watermark.absolute = 1024MiB
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = info
CONF
}

# Ready is: the node listens for AMQP, by its own word. 2 when it has ended.
rabbitmq_ready() {
  rabbitmq_note_pid
  pid_alive "$SET_DIR/rabbitmq.pid" || pid_alive "$SET_DIR/rabbitmq-script.pid" || return 2
  port_answers "$API_PORT" || return 1
  printf 'user = "waybill:%s"\n' "$(secret rabbitmq)" | curl -K - -fs -o /dev/null --max-time 5 \
    "http://127.0.0.1:$API_PORT/api/health/checks/port-listener/$AMQP_PORT" || return 1
  pid_alive "$SET_DIR/rabbitmq.pid" || return 1
}

# The node writes its pid; we record it as ours, with its mark. Only while the script we started runs, and
# only its own child: a file from before a reboot may name anybody.
rabbitmq_note_pid() {
  local pid script
  pid_alive "$SET_DIR/rabbitmq.pid" && return 0
  script=$(pid_of "$SET_DIR/rabbitmq-script.pid") || return 0
  pid=$(cat "$SET_DATA/rabbitmq/node.pid" 2>/dev/null) && [ -n "$pid" ] || return 0
  if [ "$pid" = "$script" ] || children_of "$script" | grep -qx "$pid"; then
    pid_record "$SET_DIR/rabbitmq.pid" "$pid"
  fi
}

rabbitmq_amqp_url() { printf 'amqp://waybill:%s@127.0.0.1:%s' "$(secret rabbitmq)" "$AMQP_PORT"; }
rabbitmq_api_url() { printf 'http://waybill:%s@127.0.0.1:%s' "$(secret rabbitmq)" "$API_PORT"; }

# Stops the node in good order; epmd stays.
rabbitmq_stop_node() {
  rabbitmq_note_pid
  kill -s CONT "$(pid_of "$SET_DIR/rabbitmq.pid")" 2>/dev/null || true
  stop_pid "$SET_DIR/rabbitmq.pid" RabbitMQ 30 TERM
  stop_pid "$SET_DIR/rabbitmq-script.pid" "RabbitMQ's start script" 10 TERM
}

rabbitmq_stop() {
  rabbitmq_stop_node
  stop_pid "$SET_DIR/epmd.pid" epmd 5 TERM
}

# As a power cut would: the node and its helpers at once.
rabbitmq_kill() {
  local pid children
  rabbitmq_note_pid
  pid=$(pid_of "$SET_DIR/rabbitmq.pid") || return 0
  children=$(children_of "$pid")
  # shellcheck disable=SC2086  # pids
  kill -s KILL "$pid" $children 2>/dev/null || true
  wait_for "RabbitMQ's process $pid to be gone" 10 pid_gone "$pid" || return 1
  rm -f "$SET_DIR/rabbitmq.pid"
  stop_pid "$SET_DIR/rabbitmq-script.pid" "RabbitMQ's start script" 10 TERM
}
rabbitmq_drop() {
  rabbitmq_kill
  stop_pid "$SET_DIR/rabbitmq-script.pid" "RabbitMQ's start script" 10 TERM
  stop_pid "$SET_DIR/epmd.pid" epmd 5 TERM
}

# As an overloaded machine would: the node stands still, its connections stay open.
rabbitmq_pause() {
  local pid
  pid=$(pid_of "$SET_DIR/rabbitmq.pid") || return 1
  kill -s STOP "$pid" && wait_for "RabbitMQ to stand still" 10 pid_stopped "$pid"
}
rabbitmq_resume() {
  kill -s CONT "$(pid_of "$SET_DIR/rabbitmq.pid")" && wait_for "RabbitMQ on port $AMQP_PORT" 60 rabbitmq_ready
}

# Sets how much memory it may use before it blocks publishers: next to none raises the alarm.
rabbitmq_watermark() {
  rabbitmq_words
  (cd -- "$SET_DATA/rabbitmq" && "${RABBIT[@]}" "$SET_SBIN/rabbitmqctl" -q set_vm_memory_high_watermark "$@")
}
