#!/usr/bin/env bash
# From a monolith to microservices: agents work in phases, each on what the one before it made.
set -euo pipefail
# shellcheck source=examples/lib/sample.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/sample.sh"
begin "$@"

say 'decompose'
orchestrate submit 'Convert monolithic app to microservices with user, order, and payment services' -d

say 'the phases that wait'
orchestrate status

say 'run: within a phase side by side, phase after phase'
orchestrate run --max-agents 3

say 'the phases that are done'
orchestrate status

next 'orchestrate status --watch    # while a run is at work' 'orchestrate patch list' 'orchestrate note list    # what agents told each other'
