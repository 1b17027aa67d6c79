#!/usr/bin/env bash
# Fetches the `claude` and `codex` CLIs for the agent image, from the package registry that npm is set up for, into images/clis/.
# Versions and contents are pinned; what is there already is not fetched again. Argument: amd64 or arm64 (the engine's processor).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

claude_version=2.1.332
codex_version=0.169.0

arch=${1:-$(uname -m)}
case "$arch" in
  amd64 | x86_64)
    arch=amd64 node_arch=x64 target=x86_64-unknown-linux-musl
    claude_sha512='f4JWhzwYutJIHScC7/dYOPX6s28tt7ZADhsOi8zwOHq5fFPEuUeChh2NMfinSg0GrUckYxaeebC4h0DqiKzLcw=='
    codex_sha512='o05NyAOCDygSPRo1yinzxvkRSdmsZyBD9E7mbpmjRanSfM8lypqWtQgEo4XfNkwhuCR2aFu8mlGOsQGFXVbVww=='
    ;;
  arm64 | aarch64)
    arch=arm64 node_arch=arm64 target=aarch64-unknown-linux-musl
    claude_sha512='BlHNEtK38KBPWU31F4lUSS9sHclCyfWbThT1CErvxxH8+XcljYLZlQwdyXBkTD62rw1TgfE1u1a+quMWS0NSJg=='
    codex_sha512='NZ/DaQUpcQmxmqee7Z9uC1rzw3GhSbooawcaTe1LN5Yk+WlinUKGdTXJgClRT/9ogQEEM9TWxYzvxPfj5G/xFg=='
    ;;
  *)
    printf 'error: there are no agent CLIs for the processor %s\n  hint: amd64 and arm64 are known\n' "$arch" >&2
    exit 2
    ;;
esac

versions="claude $claude_version
codex $codex_version"
folder="images/clis/$arch"
if [ "$(cat "$folder/VERSIONS" 2>/dev/null)" = "$versions" ]; then
  printf 'unchanged: %s\n' "$folder"
  exit 0
fi

# In the same file system, so that the whole folder appears at once.
work=$(mktemp -d images/clis/fetching.XXXXXX)
trap 'rm -rf "$work"' EXIT

# fetch PACKAGE SHA512 PATH…: takes single files out of a package, flat, into bin/.
fetch() {
  local package=$1 sha512=$2 archive
  shift 2
  archive="$work/$(npm pack --silent --ignore-scripts --pack-destination "$work" "$package")"
  if [ "$(node -e 'console.log(require("node:crypto").createHash("sha512").update(require("node:fs").readFileSync(process.argv[1])).digest("base64"))' "$archive")" != "$sha512" ]; then
    printf 'error: %s is not what it was when it was chosen\n' "$package" >&2
    exit 1
  fi
  tar -xzf "$archive" -C "$work" "$@"
  rm -f "$archive"
  (cd "$work" && mv "$@" bin/)
}

mkdir "$work/bin"
fetch "@anthropic-ai/claude-code-linux-$node_arch@$claude_version" "$claude_sha512" package/claude
# The second is what its newer models run their tools in; the rest (voice, its own sandbox, ripgrep) is of no use here.
fetch "@openai/codex@$codex_version-linux-$node_arch" "$codex_sha512" \
  "package/vendor/$target/bin/codex" "package/vendor/$target/bin/codex-code-mode-host"
rm -rf "$work/package"
chmod 0755 "$work" "$work"/bin "$work"/bin/*
printf '%s\n' "$versions" >"$work/VERSIONS"
rm -rf "$folder"
mv "$work" "$folder"
printf 'fetched: %s (%s)\n' "$folder" "$(du -sh "$folder" | cut -f 1)"
