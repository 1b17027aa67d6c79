#!/usr/bin/env bash
# Finds a Docker engine; on Debian and Ubuntu installs and starts one when there is none.
# Source it for the functions, or run it (`--yes`: do not ask) to end with an engine that answers.
#
#   engine_ready          0 when an engine answers
#   engine_ensure YES     makes one answer; YES=1 does not ask; prints steps on stderr; one sentence and a hint on failure
#   engine_curl PATH …    plain call of the Engine API on the local socket or an unencrypted DOCKER_HOST, where the `docker` client is missing

engine_log_file=/var/log/orchestrate-dockerd.log
engine_start_seconds=60

engine_say() { printf '  %s\n' "$*" >&2; }

engine_fail() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  return 1
}

# Runs a command as root: directly, or with sudo.
engine_as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

engine_may_be_root() {
  [ "$(id -u)" -eq 0 ] && return 0
  command -v sudo >/dev/null 2>&1 || return 1
  sudo -n true 2>/dev/null || [ -t 0 ]
}

engine_curl() {
  local path=$1 host=${DOCKER_HOST:-unix:///var/run/docker.sock}
  shift
  case "$host" in
    unix://*) curl -fsS --unix-socket "${host#unix://}" "$@" "http://localhost$path" ;;
    tcp://*) curl -fsS "$@" "http://${host#tcp://}$path" ;;
    *) return 1 ;;
  esac
}

# engine_within SECONDS COMMAND…: macOS has no `timeout`; there the command has all the time it wants.
engine_within() {
  local seconds=$1
  shift
  if command -v timeout >/dev/null 2>&1; then timeout "$seconds" "$@"; else "$@"; fi
}

engine_ready() {
  if command -v docker >/dev/null 2>&1; then
    engine_within 15 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
  else
    engine_curl /_ping --max-time 15 >/dev/null 2>&1
  fi
}

# The engine is there, but this account may not talk to it.
engine_forbidden() {
  local socket=/var/run/docker.sock
  [ -z "${DOCKER_HOST:-}" ] && [ -S "$socket" ] && [ ! -w "$socket" ]
}

engine_install() {
  if ! command -v apt-get >/dev/null 2>&1; then
    engine_fail 'No Docker engine is installed, and only Debian and Ubuntu are set up from here.' 'Install Docker Engine the way your system documents it, then run this again.'
    return 1
  fi
  engine_say 'installing docker.io with apt'
  engine_apt docker.io iptables && return 0
  engine_fail 'apt could not install docker.io.' 'Read the lines above; `apt-get update` has to work first.'
}

# Installs packages, silently unless it fails.
engine_apt() {
  local output
  if output=$({ engine_as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    engine_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } 2>&1 </dev/null); then
    return 0
  fi
  printf '%s\n' "$output" | tail -n 20 >&2
  return 1
}

# A pid file that outlived its daemon (a copied or restored machine) would keep a new one from starting.
engine_clear_stale_pid() {
  local file=/var/run/docker.pid pid
  [ -f "$file" ] || return 0
  pid=$(engine_as_root cat "$file" 2>/dev/null) || return 0
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || engine_as_root rm -f "$file"
}

engine_launch() {
  engine_clear_stale_pid
  # Started apart from this terminal and script, so that it lives on when they end; containers can have no more open files
  # than the daemon that starts them.
  engine_as_root sh -c 'ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null
    setsid nohup dockerd "$@" >>"$0" 2>&1 </dev/null &' "$engine_log_file" "$@"
}

engine_wait() {
  local end=$((SECONDS + engine_start_seconds))
  until engine_ready; do
    [ "$SECONDS" -lt "$end" ] || return 1
    engine_forbidden && return 1
    # Later than its first second a daemon that is gone stays gone.
    if [ "$1" = own ] && [ "$SECONDS" -gt $((end - engine_start_seconds + 3)) ] && ! grep -qx dockerd /proc/[0-9]*/comm 2>/dev/null; then return 1; fi
    sleep 0.3
  done
}

engine_start() {
  if [ -d /run/systemd/system ]; then
    engine_say 'starting docker.service'
    engine_as_root systemctl enable --now docker >&2 && engine_wait systemd && return 0
    engine_forbidden && return 1
    engine_fail 'The Docker service did not start.' 'Look at `journalctl -u docker`.'
    return 1
  fi
  engine_say "starting dockerd in the background (log: $engine_log_file)"
  engine_launch
  engine_wait own && return 0
  engine_forbidden && return 1
  if engine_as_root grep -qi 'iptables' "$engine_log_file" 2>/dev/null && [ -x /usr/sbin/iptables-legacy ]; then
    engine_say 'dockerd could not use iptables; trying its legacy variant'
    engine_as_root update-alternatives --set iptables /usr/sbin/iptables-legacy >/dev/null 2>&1 || true
    engine_launch
    engine_wait own && return 0
  fi
  engine_fail 'The Docker engine did not start.' "Look at the end of $engine_log_file."
}

engine_ensure() {
  local yes=${1:-0} answer=''
  engine_ready && return 0
  if [ -n "${DOCKER_HOST:-}" ]; then
    engine_fail 'The Docker engine that DOCKER_HOST names does not answer.' 'Start it, correct DOCKER_HOST, or unset it to use the local engine.'
    return 1
  fi
  if [ "$(uname -s)" = Darwin ]; then
    engine_fail 'Docker does not answer.' 'Start Docker Desktop (or another engine), wait until it says it runs, then run this again.'
    return 1
  fi
  if engine_forbidden; then
    engine_fail 'This account may not talk to the Docker engine.' "Run \`sudo usermod -aG docker $(id -un)\`, log in again, then run this again."
    return 1
  fi
  if ! engine_may_be_root; then
    engine_fail 'No Docker engine answers, and this account can neither install nor start one.' 'Ask an administrator for Docker and a place in the group `docker`, or set DOCKER_HOST.'
    return 1
  fi
  if [ "$yes" != 1 ]; then
    printf '  No Docker engine answers. Install and start one on this machine? [Y/n] ' >&2
    read -r answer || answer=n
    case "$answer" in '' | y | Y | yes) ;; *) engine_fail 'A Docker engine is needed.' 'Start one, then run this again.' || return 1 ;; esac
  fi
  if ! command -v dockerd >/dev/null 2>&1; then engine_install || return 1; fi
  engine_start && return 0
  if engine_forbidden; then
    engine_as_root usermod -aG docker "$(id -un)" 2>/dev/null || true
    engine_fail 'The Docker engine runs, but this login is not in the group `docker` yet.' 'You were added to it: log in again (or run `newgrp docker`), then run this again.'
  fi
  return 1
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  yes=0
  [ "${1:-}" = --yes ] && yes=1
  engine_ensure "$yes"
fi
