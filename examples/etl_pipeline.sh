#!/usr/bin/env bash
# A data pipeline: one sentence becomes tasks for specialists, five of which work through the night.
set -euo pipefail
# shellcheck source=examples/lib/sample.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/sample.sh"
begin "$@"

say 'decompose: no questions, fit for scripts'
orchestrate submit 'Create an ETL pipeline to process daily sales data from S3 to Snowflake' --decompose

say 'run overnight'
orchestrate run --max-agents 5

say 'next morning'
orchestrate status
orchestrate patch list

next 'orchestrate review' 'orchestrate patch checkout <patch> ../try    # the files, to try by hand' 'orchestrate merge'
