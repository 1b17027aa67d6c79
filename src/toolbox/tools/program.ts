/** The process that does what tools do: a session over standard input and output, called by process 1 alone. */

import { writeFileSync } from 'node:fs';
import { type Handler, serve } from '../../session/serve.ts';
import type { ToolAnswer } from '../toolbox.ts';
import { Bash } from './bash.ts';
import { edit } from './edit.ts';
import { withoutMiddle } from './printable.ts';

/** Characters of an answer; a frame of the session holds a megabyte. */
const MAX_ANSWER = 200_000;

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
  bash: async ({ params }) => capped(await bash.run(inputOf(params), Number(params.timeoutMs))),
  edit: async ({ params }) => capped(await edit(inputOf(params), cwd)),
};

/** Control characters take more room than the bytes they stand for; names can be as long as what came in. */
function capped({ text, isError }: ToolAnswer): ToolAnswer {
  return { text: withoutMiddle(text, MAX_ANSWER, (missing) => `[… ${missing} characters left out …]`), isError };
}

function inputOf({ input }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null ? { ...input } : {};
}

await serve(process.stdin, process.stdout, handlers);
process.exit(0);
