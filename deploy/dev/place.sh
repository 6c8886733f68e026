# shellcheck shell=bash
# Where data lives and who owns it. PostgreSQL refuses to run as root, so root lends the services to a
# system user of their own, `waybill-dev`: not `postgres` or `rabbitmq`, who own what is already on
# the machine, and not `nobody`, whom others use too. Anybody else runs them as themself.

SERVICE_USER=waybill-dev

running_as_root() { [ "$(id -u)" -eq 0 ]; }

# Makes .dev, readable for its owner alone but passable for the service user.
place_prepare() {
  mkdir -p "$DEV_DIR" "$LOG_DIR" "$RUN_DIR" 2>/dev/null && [ -w "$DEV_DIR" ] && [ -w "$LOG_DIR" ] ||
    fail "$DEV_DIR is not writable for $(id -un)" "" \
      "run ./dev as the user who made it, or have that user run ./dev down --purge"
  chmod 711 "$DEV_DIR"
  chmod 700 "$LOG_DIR" "$RUN_DIR"
}

service_user_prepare() {
  as_service_words
  running_as_root || return 0
  id "$SERVICE_USER" >/dev/null 2>&1 && return 0
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
    "$SERVICE_USER" >>"$LOG_DIR/packages.log" 2>&1 ||
    fail "the system user $SERVICE_USER could not be created" "$LOG_DIR/packages.log" \
      "create it by hand (useradd --system --user-group $SERVICE_USER), or run ./dev as an unprivileged user"
  note "created the system user $SERVICE_USER, who runs the services for root"
}

# The words before a command that is to be the service user's.
as_service_words() {
  AS_SERVICE=(env)
  ! running_as_root || AS_SERVICE=(setpriv "--reuid=$SERVICE_USER" "--regid=$SERVICE_USER" --clear-groups)
}

# Sets DATA_ROOT to where data already is; fails when nothing was ever started here.
place_known() {
  [ -d "$DEV_DIR" ] || return 1
  DATA_ROOT=$DEV_DIR
  [ ! -s "$DEV_DIR/private" ] || DATA_ROOT=$(cat "$DEV_DIR/private")
}

# The folder for data and sockets: .dev itself, or a short private folder that .dev records, where the
# service user cannot reach .dev, a socket's path would be too long, or the path has characters beyond
# the plain ones (a comma or a quote would break PostgreSQL's list of socket folders).
place_data_root() {
  local socket="$DEV_DIR/test/fault/data/postgres/.s.PGSQL.65535" parent=/tmp
  place_known && [ "$DATA_ROOT" != "$DEV_DIR" ] && [ -d "$DATA_ROOT" ] && return 0
  DATA_ROOT=$DEV_DIR
  case $DEV_DIR in *[!A-Za-z0-9/._\ -]*) ;; *)
    if [ "$(printf %s "$socket" | wc -c)" -le 100 ] && "${AS_SERVICE[@]}" test -x "$DEV_DIR/"; then return 0; fi ;;
  esac
  running_as_root && parent=/var/lib
  DATA_ROOT=$(mktemp -d "$parent/waybill-dev.XXXXXX")
  chmod 711 "$DATA_ROOT"
  printf '%s\n' "$DATA_ROOT" >"$DEV_DIR/private"
  note "data and sockets go to $DATA_ROOT: $DEV_DIR does not suit the services"
}

# Deletes the private folder, if there is one and it is one of ours.
place_purge_private() {
  local folder
  [ -s "$DEV_DIR/private" ] || return 0
  folder=$(cat "$DEV_DIR/private")
  case $folder in
    /var/lib/waybill-dev.?????? | /tmp/waybill-dev.??????) rm -rf -- "$folder" ;;
    *) fail "$DEV_DIR/private names $folder, which is no folder of ours" "" "delete both by hand" ;;
  esac
}

# secret NAME: prints a random secret, made on first use and kept in .dev/secrets.
secret() {
  local value
  value=$(sed -n "s/^$1=//p" "$DEV_DIR/secrets" 2>/dev/null || true)
  if [ -z "$value" ]; then
    value=$(head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
    (umask 077 && printf '%s=%s\n' "$1" "$value" >>"$DEV_DIR/secrets")
  fi
  printf '%s' "$value"
}
