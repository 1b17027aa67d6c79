#!/usr/bin/env bash
# A quick feature: one task for the specialist that you name, one agent, no plan.
set -euo pipefail
# shellcheck source=examples/lib/sample.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/sample.sh"
begin "$@"

say 'submit'
feature=$(orchestrate submit 'Add OAuth2 authentication to existing Flask app' --agent backend-systems-engineer --priority high --json | first_id)
orchestrate task "$feature"

say 'run a single agent'
orchestrate run --max-agents 1

say 'what it made'
orchestrate patch show "$feature" --stat

next "orchestrate review $feature" "orchestrate merge"
