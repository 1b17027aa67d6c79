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

# What is the person's own, from where it was mounted to where it is looked for: ssh insists on its owner and mode.
settle() {
  home=$1
  mkdir -p "$home/.config/orchestrate"
  if [ -d /ssh ]; then
    mkdir -p "$home/.ssh"
    cp -RL /ssh/. "$home/.ssh"
    chmod -R go= "$home/.ssh"
  fi
  if [ -f /settings.yaml ]; then cp /settings.yaml "$home/.config/orchestrate/config.yaml"; fi
}

program='node /opt/app/dist/cli/main.js'
owner=$(stat -c %u /repo)
if [ "$(id -u)" -ne 0 ]; then become $program "$@"; fi
if [ "$owner" -eq 0 ]; then
  settle /root
  become $program "$@"
fi
group=$(stat -c %g /repo)
socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
socket=${socket#unix://}
# The owner may use the engine's socket through the group it belongs to.
if [ -S "$socket" ]; then groups="--groups=$(stat -c %g "$socket")"; else groups=--clear-groups; fi
export HOME=/tmp/home
settle "$HOME"
chown -R "$owner:$group" "$HOME"
# Where its home is, ssh takes from there and not from HOME.
sed -i "/^[^:]*:[^:]*:$owner:/d" /etc/passwd
echo "orchestrate:x:$owner:$group::$HOME:/bin/sh" >>/etc/passwd
become setpriv --reuid="$owner" --regid="$group" "$groups" -- $program "$@"
