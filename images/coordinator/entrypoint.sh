#!/bin/sh
# Runs orchestrate as the owner of the mounted repository, so that git trusts it and what it writes belongs to that person.
# With ORCHESTRATE_SERVICE=1 the end of a run counts as a success, so that a restart policy takes only a crash for one.
set -eu

# Instead of this script, or below it, passing signals on: exit codes 1, 4 and 130 say how a run ended.
become() {
  if [ "${ORCHESTRATE_SERVICE:-}" != 1 ]; then exec "$@"; fi
  "$@" &
  child=$!
  trap 'told=1; kill -TERM "$child" 2>/dev/null || true' TERM INT HUP
  told=1
  # A signal ends the waiting, and not what is waited for.
  while [ "$told" = 1 ]; do
    told=0
    code=0
    wait "$child" || code=$?
  done
  case "$code" in 1 | 4 | 130) exit 0 ;; esac
  exit "$code"
}

program='node /opt/app/dist/cli/main.js'
owner=$(stat -c %u /repo)
if [ "$(id -u)" -ne 0 ] || [ "$owner" -eq 0 ]; then become $program "$@"; fi
group=$(stat -c %g /repo)
socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
socket=${socket#unix://}
# The owner may use the engine's socket through the group it belongs to.
if [ -S "$socket" ]; then groups="--groups=$(stat -c %g "$socket")"; else groups=--clear-groups; fi
export HOME=/tmp/home
mkdir -p "$HOME"
chown "$owner:$group" "$HOME"
become setpriv --reuid="$owner" --regid="$group" "$groups" -- $program "$@"
