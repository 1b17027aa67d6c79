#!/bin/sh
# Runs orchestrate as the owner of the mounted repository, so that git trusts it and what it writes belongs to that person.
set -eu
program='node /opt/app/dist/cli/main.js'
owner=$(stat -c %u /repo)
if [ "$(id -u)" -ne 0 ] || [ "$owner" -eq 0 ]; then exec $program "$@"; fi
group=$(stat -c %g /repo)
socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
socket=${socket#unix://}
# The owner may use the engine's socket through the group it belongs to.
if [ -S "$socket" ]; then groups="--groups=$(stat -c %g "$socket")"; else groups=--clear-groups; fi
export HOME=/tmp/home
mkdir -p "$HOME"
chown "$owner:$group" "$HOME"
exec setpriv --reuid="$owner" --regid="$group" "$groups" -- $program "$@"
