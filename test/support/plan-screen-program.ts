/** Opens the screen of the plan in the state folder of its argument, with a planner that says what a file tells it to. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { openPlanScreen } from '../../cli/plan/open.ts';
import type { Planner } from '../../src/plan/planner.ts';
import { ROLES } from '../../src/roles/catalogue.ts';
import { openState } from '../../src/state/state.ts';

const folder = process.argv[2] ?? '.';
const state = openState(folder);
const id = state.plans()[0]?.id ?? '';

/** What the planner does next: `reply`, `pieces`, `error`, or `wait` for being stopped. Read when it is asked. */
function script(): Record<string, unknown> {
  const file = path.join(folder, 'planner.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

async function next(name: string, signal: AbortSignal): Promise<never> {
  const lines = script();
  if (lines.wait === true)
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  if (typeof lines.error === 'string') throw new Error(lines.error);
  return lines[name] as never;
}

const planner: Planner = {
  name: 'scripted',
  plan: async (_ground, signal) => await next('plan', signal),
  discuss: async (_ground, _plan, messages, signal) => {
    const reply: { readonly text: string } = await next('reply', signal);
    return {
      ...reply,
      plan: null,
      text: reply.text.replace('{asked}', messages.at(-1)?.text ?? ''),
      ...('plan' in reply ? { plan: reply.plan as never } : {}),
    };
  },
  split: async (_ground, _plan, _task, signal) => await next('pieces', signal),
};

const roles = ROLES.map((name) => ({ name, description: '' }));
const map = { languages: [], fileCount: 0, tree: [], readme: null, guidance: null, history: [] };
const price = process.env.TEST_PRICE === undefined ? null : { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 };
const terminal = { in: process.stdin, out: process.stdout, err: process.stderr, env: process.env, cwd: process.cwd() };
const context = { ...terminal, colour: process.env.NO_COLOR === undefined };
// As the command line does: it prints the error first and leaves then.
process.on('uncaughtException', (error) => {
  process.stderr.write(`error: ${error.message}\n`, () => process.exit(1));
});
process.on('SIGUSR2', () => {
  throw new Error('crashed on purpose');
});

try {
  const ending = await openPlanScreen(context, {
    ...{ state, id, planner, price, roles, ground: { goal: 'goal', map, roles } },
  });
  process.stdout.write(`ended: ${ending}\n`);
} catch (error) {
  process.stdout.write(`failed: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 3;
} finally {
  state.close();
}
