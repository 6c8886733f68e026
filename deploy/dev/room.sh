#!/usr/bin/env bash
# Debian of another version in a folder (a "room"), for programs that the system's own packages have too
# old. rabbitmq4.sh calls it by `unshare --mount`: what is mounted here is seen by this process and its
# children alone and goes with the last of them, so no end, however sudden, leaves a mount behind. Only root can.
#   room.sh make FOLDER SUITE MIRROR PACKAGE       unpacks the suite there, and installs the package
#   room.sh enter FOLDER DATA UID:GID COMMAND...   runs COMMAND in it, with the folder DATA in its own place
set -euo pipefail

verb=$1 room=$2
shift 2

in_room() {
  local folder
  for folder in proc sys dev; do mount --rbind "/$folder" "$room/$folder"; done
}

make() {
  local suite=$1 mirror=$2 package=$3 more=
  # What apt here has to know to reach the mirror, apt there has to know too.
  eval "$(apt-config shell PROXY Acquire::http::Proxy)"
  [ -z "${PROXY:-}" ] || export http_proxy="${http_proxy:-$PROXY}"
  case $mirror in https:*) more=--include=ca-certificates ;; esac
  rm -rf -- "$room.new"
  debootstrap --variant=minbase ${more:+"$more"} "$suite" "$room.new" "$mirror"
  { apt-config dump | grep -i '^acquire::.*proxy' || true; } >"$room.new/etc/apt/apt.conf.d/90outside"
  printf '#!/bin/sh\nexit 101\n' >"$room.new/usr/sbin/policy-rc.d"
  chmod 755 "$room.new/usr/sbin/policy-rc.d"
  room="$room.new" in_room
  DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$room.new" \
    apt-get install -y --no-install-recommends "$package"
  chroot "$room.new" apt-get clean
  # In place only when whole. The mounts go with this process; a folder with mounts cannot be moved before.
  umount -l "$room.new/proc" "$room.new/sys" "$room.new/dev"
  rm -rf -- "$room"
  mv -- "$room.new" "$room"
}

enter() {
  local data=$1 user=$2
  shift 2
  in_room
  mkdir -p "$room$data"
  mount --bind "$data" "$room$data"
  exec chroot --userspec="$user" --groups= "$room" "$@"
}

case $verb in
  make | enter) "$verb" "$@" ;;
  *) sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
esac
