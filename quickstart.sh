#!/usr/bin/env bash
# Sets up orchestrate on this machine and shows it at work: tools, Docker engine, dependencies, build, command, keys, images,
# demo. Safe to run again: what is done already is not done twice. `--test` sets up and runs the whole test-suite instead.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./quickstart.sh [--yes] [--test] [--without-clis]

Sets up orchestrate on this machine, then runs its demo. A second run takes seconds.

  --yes           install and start what is missing without asking
  --test          set up, then run all checks and tests instead of the demo
  --without-clis  do not fetch the claude and codex CLIs (350 MB, 730 MB in the agent image); engines that need them stay off
  --help          this text

Nothing is asked when there is no terminal.
TEXT
}

yes=0
testing=0
with_clis=1
for argument in "$@"; do
  case "$argument" in
    --yes | -y) yes=1 ;;
    --test) testing=1 ;;
    --without-clis) with_clis=0 ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      printf 'error: unknown option: %s\n  hint: ./quickstart.sh --help\n' "$argument" >&2
      exit 2
      ;;
  esac
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
# shellcheck source=scripts/docker-engine.sh
. scripts/docker-engine.sh

if [ -t 0 ]; then interactive=1; else interactive=0; fi
# Nobody is there to answer, and root may install: that is what an unattended set-up is for.
if [ "$interactive" = 0 ] && [ "$(id -u)" -eq 0 ]; then yes=1; fi

# --- What it looks like ---------------------------------------------------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' yellow=$'\e[33m' red=$'\e[31m' cyan=$'\e[36m' plain=$'\e[0m' live=1
else
  bold='' dim='' green='' yellow='' red='' cyan='' plain='' live=0
fi

step_number=0
if [ "$testing" = 1 ]; then step_count=7; else step_count=8; fi
if [ "$with_clis" = 1 ]; then step_count=$((step_count + 1)); fi

step() {
  step_number=$((step_number + 1))
  printf '%s[%d/%d]%s %s%s%s\n' "$cyan" "$step_number" "$step_count" "$plain" "$bold" "$1" "$plain"
}
ok() { printf '  %s✓%s %s\n' "$green" "$plain" "$1"; }
note() { printf '  %s%s%s\n' "$dim" "$1" "$plain"; }
warn() { printf '  %s!%s %s\n' "$yellow" "$plain" "$1"; }
fail() {
  printf '%serror:%s %s\n  hint: %s\n' "$red" "$plain" "$1" "$2" >&2
  exit 3
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# long WHAT COMMAND…: runs quietly with the time shown; the end of the output is shown when it fails.
long() {
  local what=$1 started=$SECONDS code=0 pid=''
  shift
  if [ "$live" = 1 ]; then
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    # A background process does not get the terminal's Ctrl-C.
    trap 'kill "$pid" 2>/dev/null; exit 130' INT
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r  %s…%s %s %s%ds%s' "$cyan" "$plain" "$what" "$dim" "$((SECONDS - started))" "$plain"
      sleep 0.2
    done
    wait "$pid" || code=$?
    trap - INT
    printf '\r\e[K'
  else
    note "$what …"
    "$@" >"$log" 2>&1 </dev/null || code=$?
  fi
  if [ "$code" -eq 0 ]; then
    ok "$what ($((SECONDS - started)) s)"
  else
    tail -n 30 "$log" >&2
  fi
  return "$code"
}

# agree QUESTION: whether something may be installed. Asks for the password of sudo, if one will be needed, while it can be seen.
agree() {
  local answer=''
  if [ "$yes" = 0 ]; then
    [ "$interactive" = 1 ] || return 1
    printf '  %s [Y/n] ' "$1"
    read -r answer || return 1
    case "$answer" in '' | y | Y | yes) ;; *) return 1 ;; esac
  fi
  [ "$(id -u)" -eq 0 ] || sudo -v
}

# at_least VERSION MINIMUM: compares dotted numbers.
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$2" ]
}

can_apt() { command -v apt-get >/dev/null 2>&1 && engine_may_be_root; }

# --- The steps ------------------------------------------------------------------------------------------------------

node_minimum=20.19.0
# From here on the database module aborts (WiseLibs/better-sqlite3#1515).
node_beyond=24.0.0
git_minimum=2.38.0

version_of_node() { node --version 2>/dev/null | sed 's/^v//'; }
version_of_git() { git --version 2>/dev/null | sed -E 's/^git version ([0-9]+\.[0-9]+(\.[0-9]+)?).*/\1/'; }

check_tools() {
  step 'Node and git'
  local version candidate
  version=$(version_of_node || true)
  if [ -z "$version" ] || ! at_least "$version" "$node_minimum"; then
    candidate=''
    if can_apt; then candidate=$(apt-cache policy nodejs 2>/dev/null | sed -nE 's/^ *Candidate: ([0-9]+\.[0-9]+\.[0-9]+).*/\1/p'); fi
    if [ -n "$candidate" ] && at_least "$candidate" "$node_minimum" && ! at_least "$candidate" "$node_beyond" && agree "Node 20.19 or newer is missing. Install Node $candidate with apt?"; then
      long "installing Node $candidate" engine_apt nodejs npm || fail 'apt could not install Node.' 'Read the lines above.'
      hash -r
      version=$(version_of_node || true)
    fi
  fi
  if [ -z "$version" ] || ! at_least "$version" "$node_minimum"; then
    fail "Node 20.19 or newer is needed; here is ${version:-none}." 'Install a current Node.js (its own installer, your package manager, or a version manager), then run this again.'
  fi
  if at_least "$version" "$node_beyond"; then
    fail "Node $version is too new: the database module aborts on Node 24 and later." 'Use Node 22 or 20 (a version manager keeps several side by side), then run this again.'
  fi
  command -v npm >/dev/null 2>&1 || fail 'npm is missing.' 'It comes with Node.js; Debian and Ubuntu have it as a package of its own: `apt-get install npm`.'
  ok "Node $version"

  version=$(version_of_git || true)
  if [ -z "$version" ] && can_apt && agree 'git is missing. Install it with apt?'; then
    long 'installing git' engine_apt git ca-certificates || fail 'apt could not install git.' 'Read the lines above.'
    version=$(version_of_git || true)
  fi
  if [ -z "$version" ] || ! at_least "$version" "$git_minimum"; then
    fail "git 2.38 or newer is needed; here is ${version:-none}." 'Install a current git with your package manager, then run this again.'
  fi
  ok "git $version"
}

check_engine() {
  step 'Docker engine'
  if ! engine_ready; then
    # Without a terminal and without root nobody can say yes, and nothing is installed unasked.
    if [ "$yes" = 0 ] && [ "$interactive" = 0 ] && [ -z "${DOCKER_HOST:-}" ] && ! engine_forbidden; then
      fail 'No Docker engine answers.' 'Start Docker, or run `./quickstart.sh --yes` to let it be installed.'
    fi
    engine_ensure "$yes" || exit 3
  fi
  local version=''
  if command -v docker >/dev/null 2>&1; then version=$(docker version --format '{{.Server.Version}}' 2>/dev/null || true); fi
  ok "it answers${version:+ (version $version)}"
}

# What the installed dependencies depend on: the lock, and the Node that native modules were compiled for.
dependency_stamp() {
  { cat package-lock.json .npmrc && node -p 'process.platform + process.arch + process.versions.modules'; } | node -e '
    const hash = require("node:crypto").createHash("sha256");
    process.stdin.on("data", (chunk) => hash.update(chunk)).on("end", () => console.log(hash.digest("hex")));'
}

install_dependencies() {
  step 'Dependencies'
  local stamp file=node_modules/.orchestrate-stamp prefix
  stamp=$(dependency_stamp)
  if [ "$(cat "$file" 2>/dev/null)" = "$stamp" ]; then
    ok 'unchanged'
    return
  fi
  # Headers that came with this Node save a download where the database module has to be compiled.
  prefix=$(dirname "$(dirname "$(node -p 'fs.realpathSync(process.execPath)')")")
  if [ -f "$prefix/include/node/node.h" ]; then export npm_config_nodedir=$prefix npm_package_config_node_gyp_nodedir=$prefix; fi
  if ! long 'npm ci (a minute; five where the database module has to be compiled)' npm ci --no-audit --no-fund; then
    if ! { command -v g++ && command -v make && command -v python3; } >/dev/null 2>&1 && can_apt &&
      agree 'A compiler is missing for the database module. Install g++, make and python3 with apt?'; then
      long 'installing g++, make and python3' engine_apt g++ make python3 || fail 'apt could not install the compiler.' 'Read the lines above.'
      long 'npm ci' npm ci --no-audit --no-fund || fail 'The dependencies could not be installed.' 'Read the lines above.'
    else
      fail 'The dependencies could not be installed.' 'Read the lines above: the package registry has to be reachable; g++, make and python3 are needed where there is no ready-made database module.'
    fi
  fi
  printf '%s\n' "$stamp" >"$file"
}

build() {
  step 'Build'
  local built=dist/cli/main.js
  if [ -f "$built" ] && [ -z "$(find cli src package.json package-lock.json tsconfig.json tsconfig.build.json scripts/build.mjs -newer "$built" -print -quit)" ]; then
    ok 'unchanged'
    return
  fi
  long 'compiling' node scripts/build.mjs || fail 'The build failed.' 'Read the lines above.'
}

# Puts `orchestrate` where the shell finds it.
link_command() {
  step 'The command `orchestrate`'
  local folder target="$here/dist/cli/main.js" link
  if [ -d /usr/local/bin ] && [ -w /usr/local/bin ]; then folder=/usr/local/bin; else folder="$HOME/.local/bin"; fi
  link="$folder/orchestrate"
  mkdir -p "$folder"
  if [ -e "$link" ] && [ ! -L "$link" ]; then
    warn "$link is something else and stays as it is; use $target"
    return
  fi
  if [ "$(readlink "$link" 2>/dev/null)" != "$target" ]; then ln -sfn "$target" "$link"; fi
  ok "$link"
  case ":$PATH:" in *":$folder:"*) ;; *) warn "$folder is not on your PATH. Add this to your shell's profile:  export PATH=\"$folder:\$PATH\"" ;; esac
}

# put_key FILE NAME VALUE: sets a line of a .env file. The value never becomes an argument of a program.
put_key() {
  local file=$1 name=$2 value=$3 line done=0 mode_file
  mode_file=$(mktemp "$file.XXXXXX")
  chmod 600 "$mode_file"
  while IFS= read -r line || [ -n "$line" ]; do
    if [ "$done" = 0 ] && [[ $line =~ ^#?[[:space:]]*$name= ]]; then
      line="$name=$value"
      done=1
    fi
    printf '%s\n' "$line"
  done <"$file" >"$mode_file"
  if [ "$done" = 0 ]; then printf '%s=%s\n' "$name" "$value" >>"$mode_file"; fi
  mv "$mode_file" "$file"
}

set_up_keys() {
  step 'Keys'
  local folder="${XDG_CONFIG_HOME:-$HOME/.config}/orchestrate" file key=''
  file="$folder/.env"
  mkdir -p "$folder"
  chmod 700 "$folder"
  if [ ! -e "$file" ]; then (umask 077 && cp .env.example "$file"); fi
  chmod 600 "$file"
  if grep -Eq '^(ANTHROPIC_API_KEY|CLAUDE_CODE_OAUTH_TOKEN|OPENAI_API_KEY)=.' "$file"; then
    ok "$file has one"
    return
  fi
  if [ "$testing" = 1 ] || [ "$interactive" = 0 ]; then
    ok "$file (no key yet; the demo and your own programs need none)"
    return
  fi
  note 'The demo and your own programs as agents need no key. An API key goes in as ANTHROPIC_API_KEY;'
  note 'with a Claude subscription run `claude setup-token`, its token goes in as CLAUDE_CODE_OAUTH_TOKEN.'
  printf '  Key or token (hidden; Enter to skip): '
  IFS= read -rs key || key=''
  printf '\n'
  key="${key#"${key%%[![:space:]]*}"}"
  key="${key%"${key##*[![:space:]]}"}"
  case "$key" in
    '') ok "skipped; $file is where it can go later" ;;
    *[[:space:]\"\'\`\$\\#]*) warn "that does not look like a key and was not kept; edit $file" ;;
    sk-ant-oat*)
      put_key "$file" CLAUDE_CODE_OAUTH_TOKEN "$key"
      ok "kept in $file as CLAUDE_CODE_OAUTH_TOKEN"
      ;;
    *)
      put_key "$file" ANTHROPIC_API_KEY "$key"
      ok "kept in $file as ANTHROPIC_API_KEY"
      ;;
  esac
}

registry_base=node:24-bookworm-slim
registry_seconds=20

has_image() {
  if command -v docker >/dev/null 2>&1; then docker image inspect "$1" >/dev/null 2>&1; else engine_curl "/images/$1/json" >/dev/null 2>&1; fi
}

# Whether the engine reaches a registry: asked of the engine, whose network is the one that counts.
registry_answers() {
  if engine_curl /_ping --max-time 5 >/dev/null 2>&1; then
    engine_curl "/distribution/$registry_base/json" --max-time "$registry_seconds" >/dev/null 2>&1
  else
    engine_within "$registry_seconds" docker manifest inspect "$registry_base" >/dev/null 2>&1
  fi
}

# Certificate authorities of this machine's owner, for images that stand on a base from a registry.
pass_on_authorities() {
  local file target
  for file in /usr/local/share/ca-certificates/*.crt; do
    [ -f "$file" ] || continue
    target="images/ca/host-$(basename "$file")"
    cmp -s "$file" "$target" || cp "$file" "$target"
  done
}

prepare_images() {
  step 'Base image'
  if has_image "$registry_base"; then
    pass_on_authorities
    ok "$registry_base"
  elif has_image orchestrate-base:latest; then
    long 'the one made on this machine' bash images/base/build.sh || fail 'The base image could not be made.' 'Read the lines above.'
  elif registry_answers; then
    pass_on_authorities
    if command -v docker >/dev/null 2>&1; then
      long "pulling $registry_base" docker pull "$registry_base" || fail "$registry_base could not be pulled." 'Read the lines above.'
    else
      ok "$registry_base (pulled on first use)"
    fi
  else
    note 'No image registry answers: the base image is made here from Debian packages.'
    if [ "$(id -u)" -ne 0 ] && can_apt; then agree 'That needs root once, for mmdebstrap. Go on?' || fail 'There is no base image.' 'Make an image registry reachable, or run this again.'; fi
    long 'making it (about a minute)' bash images/base/build.sh || fail 'The base image could not be made.' 'Read the lines above.'
  fi
}

engine_processor() {
  if command -v docker >/dev/null 2>&1; then docker version --format '{{.Server.Arch}}'; else engine_curl /version | grep -oE '"Arch":"[a-z0-9]+"' | head -n 1 | cut -d '"' -f 4; fi
}

# The CLIs for the agent image, which is built with them on first use.
fetch_clis() {
  local processor
  if [ "$with_clis" = 0 ]; then return; fi
  step 'Agent CLIs'
  processor=$(engine_processor)
  if long 'claude and codex for the agent image' scripts/fetch-clis.sh "$processor"; then return; fi
  if [ "$testing" = 1 ]; then fail 'The agent CLIs could not be fetched.' 'Read the lines above: the package registry has to be reachable.'; fi
  warn "Read the lines above. The engines claude and codex stay off until \`scripts/fetch-clis.sh $processor\` succeeds."
}

show_launch_options() {
  cat <<TEXT

${bold}Launch options${plain}, in your own repository but for 2 and 4 (\`orchestrate doctor\` checks this machine)

  ${cyan}1.${plain} Interactive planning ${green}(recommended)${plain}: talk a goal over as a plan, then let agents work on it
     ${bold}orchestrate plan "Build a REST API with authentication"${plain}
     ${bold}orchestrate run --budget-usd 5${plain}

  ${cyan}2.${plain} Quick demo: three tasks in real containers, no key needed
     ${bold}orchestrate demo${plain}

  ${cyan}3.${plain} Direct task submission: the tasks of a plan at once, without questions
     ${bold}orchestrate submit "Create a blog platform" --decompose${plain}
     ${bold}orchestrate run --budget-usd 5${plain}
     Without a key any program can be the agent:
     ${bold}orchestrate run --engine-command 'your-agent "\$(cat "\$ORCHESTRATE_PROMPT_FILE")"'${plain}

  ${cyan}4.${plain} View examples, and run them: web app, ETL, machine learning, microservices, overnight, hotfix …
     ${bold}ls $here/examples${plain}
     ${bold}$here/examples/quick_feature.sh${plain}

TEXT
}

run_demo() {
  step 'Demo'
  node dist/cli/main.js demo
}

run_tests() {
  step 'Checks and tests'
  local check=0 tests=0 results
  # CI alone makes some of these tools use colours.
  if [ "$live" = 0 ]; then export NO_COLOR=1; fi
  npm run --silent check </dev/null || check=$?
  if [ "$check" -eq 0 ]; then ok 'formatting, lint, types, dead code'; else warn 'the checks above failed'; fi
  results=$(mktemp)
  node_modules/.bin/vitest run --reporter=default --reporter=json --outputFile.json="$results" </dev/null || tests=$?
  # The last line counts; in CI a skipped test is a failure, since nobody would look for it.
  node -e '
    const { readFileSync } = require("node:fs");
    let counts = { passed: 0, failed: 1, skipped: 0 };
    try {
      const report = JSON.parse(readFileSync(process.argv[1], "utf8"));
      const skipped = report.numPendingTests + report.numTodoTests;
      const broken = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
      counts = { passed: report.numPassedTests, failed: report.numFailedTests + broken, skipped };
    } catch {}
    const refused = process.env.CI && counts.skipped > 0;
    if (refused) console.log(`${counts.skipped} skipped: not allowed in CI`);
    console.log(`${counts.passed} passed, ${counts.failed} failed`);
    process.exitCode = counts.failed > 0 || counts.passed === 0 || refused ? 1 : 0;
  ' "$results" || tests=1
  rm -f "$results"
  [ "$check" -eq 0 ] && [ "$tests" -eq 0 ]
}

# --- From start to end ----------------------------------------------------------------------------------------------

check_tools
check_engine
install_dependencies
build
if [ "$testing" = 1 ]; then
  set_up_keys
  prepare_images
  fetch_clis
  run_tests || exit 1
else
  link_command
  set_up_keys
  prepare_images
  fetch_clis
  show_launch_options
  run_demo
fi
