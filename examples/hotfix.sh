#!/usr/bin/env bash
# An emergency: one urgent task, a dedicated agent, and its patch reviewed and applied at once.
set -euo pipefail
# shellcheck source=examples/lib/sample.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/sample.sh"
begin "$@"

say 'submit'
fix=$(orchestrate submit 'URGENT: Fix memory leak in payment processing service' --title 'payment leak fix' \
  --agent backend-systems-engineer --priority high --json | first_id)

say 'run a dedicated agent'
orchestrate run --max-agents 1
orchestrate task "$fix"

say 'review'
orchestrate patch show "$fix"

# Into a branch of yours it goes by your own hand.
if [ "$here" = 1 ]; then
  next "orchestrate review $fix" "orchestrate merge"
  exit 0
fi

say 'approve and merge: a commit on the current branch'
orchestrate patch approve "$fix"
orchestrate merge

next 'git show' 'git revert HEAD    # takes it back'
