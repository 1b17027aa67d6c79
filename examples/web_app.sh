#!/usr/bin/env bash
# A complete web application: talk the plan over, let three agents build it, look at how far they are.
set -euo pipefail
# shellcheck source=examples/lib/sample.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/sample.sh"
begin "$@"

goal='Build a task management app with React frontend and FastAPI backend'

say 'plan: on a terminal you add (a), edit, split (s) and remove tasks, then approve'
if has_terminal; then
  orchestrate plan "$goal"
else
  orchestrate plan "$goal" --yes
fi

say 'run: three agents at once, each in a container of its own'
orchestrate run --max-agents 3

say 'progress'
orchestrate status

next 'orchestrate review' 'orchestrate merge'
