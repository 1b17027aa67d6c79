/** `orchestrate demo`: the whole way, on a throw-away repository, with the scripted engine in real containers. */

import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Settings } from '../../src/config/settings.ts';
import { EXIT_CODES, failure, usageError } from '../../src/errors.ts';
import { verdictOf } from '../../src/review/verdict.ts';
import type { TaskRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import type { DemoOptions } from '../options.ts';
import { createContext } from '../wire.ts';

/** Resolves to the exit code; 1 when a task of the demo did not end as it should. */
export async function demo(context: Context, options: DemoOptions): Promise<number> {
  const folder = await sampleFolder(context, options.directory);
  const { createRepository } = await import('../../src/git/create-repository.ts');
  await createRepository({
    folder,
    files: SAMPLE_FILES,
    identity: { name: 'Demo User', email: 'demo@example.invalid' },
    message: 'A small shop',
    env: context.env,
  });
  context.note(`sample repository: ${folder}`);
  const sample = createContext(context, {
    repo: folder,
    json: context.json,
    color: context.colour,
    verbose: context.verbose,
    quiet: context.quiet,
  });
  try {
    return await demonstrate(sample, folder);
  } finally {
    await removeContainersAndStore(sample);
    sample.close();
  }
}

async function sampleFolder(context: Context, wanted: string | null): Promise<string> {
  if (wanted === null) return path.join(await mkdtemp(path.join(tmpdir(), 'orchestrate-demo-')), 'shop');
  const folder = path.resolve(context.cwd, wanted);
  const entries = await readdir(folder).catch(() => []);
  if (entries.length > 0) throw usageError('FOLDER_NOT_EMPTY', `the folder ${folder} is not empty`);
  return folder;
}

async function demonstrate(context: Context, folder: string): Promise<number> {
  const [{ demoEngine }, { EventBus }, { createLiveView }, { workQueue }] = await Promise.all([
    import('../../src/engine/demo.ts'),
    import('../../src/events.ts'),
    import('../render/live.ts'),
    import('../work.ts'),
  ]);
  const settings = { ...(await context.settings({}, { trust: false })).settings, ...SAMPLE_SETTINGS };
  const state = await context.state();
  const tasks = state.addTasks(SAMPLE_TASKS);
  context.note(`queued: ${tasks.map((task) => task.id).join(', ')} (the last depends on the first)`);

  const bus = new EventBus();
  const view = createLiveView(bus, context.err, { tty: context.err.isTTY === true && !context.quiet });
  const interruption = new AbortController();
  const onSignal = (): void => interruption.abort();
  process.once('SIGINT', onSignal);
  try {
    await workQueue(context, {
      state,
      settings,
      engine: demoEngine,
      gateway: null,
      bus,
      signal: interruption.signal,
    });
  } finally {
    view.close();
    process.off('SIGINT', onSignal);
  }
  if (interruption.signal.aborted) return EXIT_CODES.interrupted;
  const unfinished = state.tasks().filter((task) => task.state !== 'succeeded');
  if (unfinished.length > 0)
    throw failure('DEMO_FAILED', sentenceOf(unfinished), { hint: `look at: orchestrate --repo ${folder} status` });

  const merged = await mergeAll(context, state, settings);
  if (context.json) {
    context.printJson({ repository: folder, tasks: tasks.map((task) => task.id), merged });
    return 0;
  }
  context.print(storyOf(folder, tasks, merged.length));
  return 0;
}

/** Approves what a person would, and merges it through the check. Gives the ids of what landed. */
async function mergeAll(context: Context, state: State, settings: Settings): Promise<readonly string[]> {
  const [{ mergeApproved }, { openChecker }] = await Promise.all([
    import('../../src/merge/merge.ts'),
    import('../checking.ts'),
  ]);
  const red = state.patches().filter((patch) => verdictOf(patch) !== 'passed');
  if (red.length > 0) throw failure('DEMO_FAILED', `the check failed on ${red.map(({ id }) => id).join(', ')}`);
  for (const { id } of state.patches()) state.setPatchState(id, ['pending'], 'approved', { decidedBy: 'person' });
  const { signal } = new AbortController();
  await using checking = await openChecker(context, settings, { command: 'orchestrate demo', signal });
  const { merged } = await mergeApproved(await context.repository(), state, {
    ...{ into: null, commands: settings.checks, signal, openChecker: async () => checking.checker },
    onProgress: (line) => context.note(line),
    onWarning: (line) => context.warn(line),
  });
  return merged;
}

function sentenceOf(unfinished: readonly TaskRecord[]): string {
  return `the demo did not finish: ${unfinished.map((task) => `${task.id} is ${task.state} (${task.reason ?? 'no reason'})`).join(', ')}`;
}

function storyOf(folder: string, tasks: readonly TaskRecord[], merged: number): string {
  const at = `orchestrate --repo ${folder}`;
  return `
${merged} of ${tasks.length} patches merged into main.

What happened: each task ran in a container of its own, with no network, no key and no way to this machine, on a
copy-on-write view of the sample repository. Two started at once; the third started from the first one's result. Each
left a patch, which passed its check (\`${SAMPLE_SETTINGS.checks.join()}\`) in a clean container. The patches were approved here for you,
stacked in memory, checked again as merged, and only then main moved, one commit for each.

Where to look:
  git -C ${folder} log --stat
  ${at} status
  ${at} task ${tasks[0]?.id ?? ''}
  ${at} logs ${tasks[2]?.id ?? ''}
  ${at} patch show ${tasks[0]?.id ?? ''}

Now in your own repository:
  orchestrate submit "Describe a task"
  orchestrate run                      (with a key for Claude or Codex; it stays outside the sandboxes)
  orchestrate run --engine-command '<any program that edits files>'
`;
}

/** The sample is thrown away some day; what it left in Docker goes now. */
async function removeContainersAndStore(context: Context): Promise<void> {
  const [{ connectEngine }, { sweep }] = await Promise.all([
    import('../../src/sandbox/docker/connect.ts'),
    import('../../src/sandbox/docker/sweep.ts'),
  ]);
  const state = await context.readState();
  if (state === null) return;
  const docker = await connectEngine(context.env);
  await sweep(docker, state.installation, { kinds: ['agent', 'keeper', 'store'], dryRun: false });
}

const SAMPLE_SETTINGS = { setUp: null, checks: ['node --test'] } as const;

const SAMPLE_FILES = {
  'README.md': '# Shop\n\nA very small shop.\n',
  'package.json':
    '{\n  "name": "shop",\n  "private": true,\n  "type": "module",\n  "scripts": { "test": "node --test" }\n}\n',
  'src/cart.js': [
    '/** Sum of the prices in a cart. */',
    'export function total(items) {',
    '  return items.reduce((sum, item) => sum + item.price * item.count, 0);',
    '}',
    '',
  ].join('\n'),
};

const SAMPLE_TASKS = [
  {
    key: 'discount',
    title: 'Add a discount to the cart',
    agent: 'backend-systems-engineer',
    priority: 'high' as const,
    dependsOn: [],
    description: scripted('Add `discounted(items, percent)` to src/cart.js.', [
      'echo "reading src/cart.js"',
      "cat >> src/cart.js <<'END'",
      '',
      '/** The total after a discount of `percent` percent. */',
      'export function discounted(items, percent) {',
      '  return total(items) * (1 - percent / 100);',
      '}',
      'END',
      'echo "added discounted()"',
    ]),
  },
  {
    key: 'readme',
    title: 'Describe the shop in the README',
    agent: 'documentation-writer',
    priority: 'normal' as const,
    dependsOn: [],
    description: scripted('Say in README.md how to use the cart and how to run the tests.', [
      "cat >> README.md <<'END'",
      '',
      '## Use',
      '',
      '    import { total } from "./src/cart.js";',
      '    total([{ price: 3, count: 2 }]); // 6',
      '',
      'Tests: `npm test`.',
      'END',
      'echo "described the cart"',
    ]),
  },
  {
    key: 'test',
    title: 'Test the discount',
    agent: 'test-engineer',
    priority: 'normal' as const,
    dependsOn: ['discount'],
    description: scripted('Write a test for `discounted` and run it.', [
      'mkdir -p test',
      "cat > test/cart.test.js <<'END'",
      'import assert from "node:assert/strict";',
      'import { test } from "node:test";',
      'import { discounted, total } from "../src/cart.js";',
      '',
      'const items = [{ price: 10, count: 2 }];',
      '',
      'test("total", () => assert.equal(total(items), 20));',
      'test("discount", () => assert.equal(discounted(items, 25), 15));',
      'END',
      'node --test',
    ]),
  },
];

function scripted(sentence: string, lines: readonly string[]): string {
  return `${sentence}\n\n\`\`\`sh\nset -e\n${lines.join('\n')}\n\`\`\`\n`;
}
