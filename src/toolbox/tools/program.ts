/** The process that does what tools do: a session over standard input and output, called by process 1 alone. */

import { writeFileSync } from 'node:fs';
import type { Handler } from '../../session/serve.ts';
import { serve } from '../../session/serve.ts';
import { Bash } from './bash.ts';
import { edit } from './edit.ts';

/** The kernel's OOM killer should take this and what it starts, never process 1. */
function preferAsOomVictim(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Then the container's own setting holds.
  }
}

preferAsOomVictim();
const cwd = process.cwd();
const bash = new Bash({ cwd, home: process.env.HOME ?? '/tmp', root: process.ppid });

const handlers: Readonly<Record<string, Handler>> = {
  bash: ({ params }) => bash.run(inputOf(params), Number(params.timeoutMs)),
  edit: ({ params }) => edit(inputOf(params), cwd),
};

function inputOf({ input }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null ? { ...input } : {};
}

await serve(process.stdin, process.stdout, handlers);
process.exit(0);
