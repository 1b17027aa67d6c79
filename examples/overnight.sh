#!/usr/bin/env bash
# Overnight: plan on Friday evening, eight agents over the weekend, and on Monday all of it to review.
set -euo pipefail
# shellcheck source=examples/lib/sample.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/sample.sh"
begin "$@"

goal='Implement complete admin dashboard with user management, analytics, and reporting'

say 'Friday: plan and approve'
if has_terminal; then
  orchestrate plan "$goal"
else
  orchestrate plan "$goal" --yes
fi

say 'the weekend: eight agents; with a key never for more than 20 dollars'
budget=()
if has_key; then budget=(--budget-usd 20); fi
orchestrate run --max-agents 8 ${budget[@]+"${budget[@]}"} || echo "the run ended with exit code $?: see below"

say 'Monday'
orchestrate status
orchestrate patch list
orchestrate note list

next 'orchestrate review' 'orchestrate merge' 'orchestrate retry <task>    # one that failed'
