#!/usr/bin/env bash
# A machine learning system: plan it, run that plan alone, and watch the specialists meanwhile.
set -euo pipefail
# shellcheck source=examples/lib/sample.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/sample.sh"
begin "$@"

say 'plan'
orchestrate plan 'Build a customer churn prediction system' --yes
plan=$(orchestrate plan list --json | first_id)

say "run the plan $plan"
orchestrate plan run "$plan" --max-agents 3 --quiet &
run=$!
trap 'kill "$run" 2>/dev/null && wait "$run" || true; clean_up' EXIT

# On a second terminal: orchestrate status --watch
while kill -0 "$run" 2>/dev/null; do
  sleep 3
  orchestrate agents
done
wait "$run"
orchestrate status

say 'one task in full'
orchestrate task "$(orchestrate status --json | first_id)"

next "orchestrate plan show $plan" 'orchestrate logs <task>' 'orchestrate patch list'
