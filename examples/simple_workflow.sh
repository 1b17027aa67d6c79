#!/usr/bin/env bash
# A whole evening in two minutes: queue three tasks in a sample repository, run them in containers, review, apply.
# The agent here is a shell command; any program that edits files takes its place.
set -euo pipefail
# shellcheck source=examples/lib/sample.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/sample.sh"

shop=$(mktemp -d)/shop
git init --quiet --initial-branch=main "$shop"
cd "$shop"
git config user.name 'Example User'
git config user.email 'user@example.invalid'
printf '# Shop\n' > README.md
git add README.md
git commit --quiet -m 'start'

echo '== queue: the last task starts from the first one'\''s result'
orchestrate submit 'Write a price list' --title 'price list' --priority high
orchestrate submit 'Describe the shop in the README' --title 'readme'
orchestrate submit 'Add the sum to the price list' --title 'sum' --depends-on price-list

agent='
case "$ORCHESTRATE_TASK_ID" in
  price-list) printf "apple 3\npear 4\n" > prices.txt ;;
  readme) printf "\nWe sell fruit.\n" >> README.md ;;
  sum) awk "{ s += \$2 } END { print \"sum\", s }" prices.txt >> prices.txt ;;
esac
echo "done with $ORCHESTRATE_TASK_ID"'

echo '== run: each task in a container of its own, without a network'
orchestrate run --engine-command "$agent" --max-agents 2

echo '== review'
orchestrate status
orchestrate patch show sum --stat

echo '== approve and merge: one commit per patch'
orchestrate patch approve price-list readme sum
orchestrate merge

git log --oneline --stat
echo "== the sample repository stays at $shop"
here=0
clean_up
