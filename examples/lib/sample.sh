# What the examples share, to be sourced: where they work, who thinks, and clean-up at the end, whatever happens.
# shellcheck shell=bash

# begin "$@": goes to a throw-away sample repository, or with `--here` stays in the repository around this folder.
begin() {
  case "${1:-}" in
    '') here=0 ;;
    --here) here=1 ;;
    *)
      printf 'Usage: %s [--here]\n\nWorks in a throw-away sample repository; --here: in the git repository around this folder.\n' "$0"
      printf 'ENGINE=api (or claude, codex, demo …) says who does the thinking.\n'
      case "$1" in --help | -h) exit 0 ;; *) exit 2 ;; esac
      ;;
  esac
  if ! command -v orchestrate >/dev/null; then
    printf 'error: orchestrate is not on the PATH\n  hint: ./quickstart.sh puts it there\n' >&2
    exit 3
  fi
  if [ "$here" = 1 ]; then
    cd "$(git rev-parse --show-toplevel)"
  else
    make_sample
  fi
  choose_engine
  trap clean_up EXIT
  say "in $PWD, engine: ${ORCHESTRATE_ENGINE:-by key}"
}

say() { printf '\n== %s\n' "$1"; }

# next COMMAND…: what to type now.
next() {
  say 'next'
  printf '  cd %q\n' "$PWD"
  printf '  %s\n' "$@"
}

# first_id: the first id in a JSON document on stdin.
first_id() { grep -o '"id":"[^"]*"' | sed -n '1s/.*:"\(.*\)"/\1/p'; }

has_terminal() { [ -t 0 ] && [ -t 1 ] && [ -z "${CI:-}" ]; }

has_key() {
  [ -n "${ANTHROPIC_API_KEY:-}${CLAUDE_CODE_OAUTH_TOKEN:-}${OPENAI_API_KEY:-}" ] ||
    grep -Eqs '^(ANTHROPIC_API_KEY|CLAUDE_CODE_OAUTH_TOKEN|OPENAI_API_KEY)=.' "${XDG_CONFIG_HOME:-$HOME/.config}/orchestrate/.env" .env
}

# ENGINE, else the first that there is a key for, else the scripted demo. The variable does what `--engine` does.
choose_engine() {
  if [ -n "${ENGINE:-}" ]; then
    export ORCHESTRATE_ENGINE=$ENGINE
  elif [ -z "${ORCHESTRATE_ENGINE:-}" ] && ! has_key; then
    export ORCHESTRATE_ENGINE=demo
  fi
}

# A small web shop: something to add to, to split up, and to fix.
make_sample() {
  local folder
  folder=$(mktemp -d)/shop
  git init --quiet --initial-branch=main "$folder"
  cd "$folder"
  git config user.name 'Example User'
  git config user.email 'user@example.invalid'
  mkdir -p shop data tests
  printf '# Shop\n\nA small web shop: users, orders, payments.\n' >README.md
  printf 'flask\n' >requirements.txt
  printf 'day,product,count,price\n2026-01-05,apple,3,0.40\n2026-01-05,pear,1,0.60\n2026-01-06,apple,7,0.40\n' >data/sales.csv
  cat >shop/app.py <<'END'
from flask import Flask, jsonify

from shop.orders import total

app = Flask(__name__)


@app.get("/orders/<int:order>/total")
def order_total(order: int):
    return jsonify(total=total(order))
END
  cat >shop/orders.py <<'END'
ORDERS = {1: [("apple", 3, 0.40), ("pear", 1, 0.60)]}


def total(order: int) -> float:
    return sum(count * price for _, count, price in ORDERS[order])
END
  cat >shop/payments.py <<'END'
_seen = []


def pay(order: int, amount: float) -> str:
    # Every payment stays in memory for as long as the process lives.
    _seen.append((order, amount, bytes(1024)))
    return f"paid {amount:.2f} for order {order}"
END
  cat >shop/users.py <<'END'
USERS = {"ada": {"name": "Ada", "since": "2025-11-01", "last_order": "2026-01-06"}}
END
  cat >tests/test_orders.py <<'END'
from shop.orders import total


def test_total():
    assert round(total(1), 2) == 1.80
END
  git add --all
  git commit --quiet -m 'A small shop'
}

# Images and caches that all repositories of the engine share stay; of a sample, its own store goes too.
clean_up() {
  local store
  orchestrate cleanup >/dev/null || true
  if [ "$here" = 1 ] || ! command -v docker >/dev/null; then return; fi
  for store in $(orchestrate cleanup --caches --dry-run --json | grep -oE '"name":"orchestrate-[0-9a-f]+-store"' | cut -d '"' -f 4); do
    docker volume rm "$store" >/dev/null || true
  done
}
