import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

interface Submitted {
  readonly tasks: readonly {
    id: string;
    title: string;
    agent: string;
    priority: string;
    status: string;
    dependsOn: string[];
    phase: number;
  }[];
}

describe('submit', () => {
  it('queues a task and says what to type next', async () => {
    const text = await scratch.must(['submit', 'Add OAuth2 login\n\nWith refresh tokens.']);
    expect(text).toContain('Queued add-oauth2-login\nRole: backend-systems-engineer (words: OAuth2, login)\n');
    expect(text).toContain('orchestrate run');
    expect(await scratch.git('status', '--porcelain')).toBe('');
  });

  it('has the promised JSON', async () => {
    await scratch.must(['submit', 'base']);
    const args = [
      'submit',
      'Document it',
      '--title',
      'Docs',
      '--agent',
      'documentation-writer',
      '--priority',
      'high',
      '--depends-on',
      'ba',
    ];
    const { tasks } = await scratch.json<Submitted>(args);
    expect(tasks).toEqual([
      {
        ...{
          id: 'docs',
          title: 'Docs',
          agent: 'documentation-writer',
          priority: 'high',
          status: 'blocked',
          phase: 2,
          dependsOn: ['base'],
        },
        ...{ attempt: null, host: null, startedAt: null, endedAt: null, patch: null, reason: 'waits for base' },
        agentReason: 'chosen by you',
        usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, usd: null },
      },
    ]);
  });

  it('reads the description from a file or from stdin', async () => {
    await scratch.write({ 'goal.md': '# From a file\n' });
    await scratch.must(['submit', '--file', 'goal.md']);
    await scratch.must(['submit', '--file', '-'], { input: 'From stdin\n', stdin: 'pipe' });
    const task = await scratch.json<{ description: string }>(['task', 'from-stdin']);
    expect(task.description).toBe('From stdin\n');
    expect(await scratch.must(['status'])).toContain('from-a-file');
  });

  it.each([
    ['nothing', ['submit'], 'the description is empty'],
    ['blanks', ['submit', ' \n\t'], 'the description is empty'],
    ['two descriptions', ['submit', 'x', '--file', 'README.md'], 'either'],
    ['a missing file', ['submit', '--file', 'none.md'], 'there is no file none.md'],
    ['an unknown role', ['submit', 'x', '--agent', 'backend'], 'did you mean backend-systems-engineer'],
    ['an unknown dependency', ['submit', 'x', '--depends-on', 'nothing'], 'There is no task nothing'],
    ['flags beside a batch', ['submit', '--batch', 'README.md', '--title', 'x'], '--batch takes everything'],
  ])('refuses %s and queues nothing', async (_, args, said) => {
    const answer = await scratch.orchestrate(args);
    expect(answer.exitCode).toBe(2);
    expect(answer.stderr).toContain(said);
    expect((await scratch.json<{ tasks: unknown[] }>(['status'])).tasks).toEqual([]);
  });

  it('refuses a description over 1 MiB, and bytes that are no text', async () => {
    const input = { input: Buffer.alloc(1024 ** 2 + 1, 97), stdin: 'pipe' } as const;
    expect((await scratch.orchestrate(['submit', '--file', '-'], input)).stderr).toContain('larger than 1 MiB');
    const bytes = { input: Buffer.from([0xff, 0xfe, 0x41]), stdin: 'pipe' } as const;
    expect((await scratch.orchestrate(['submit', '--file', '-'], bytes)).stderr).toContain('not UTF-8');
    await scratch.must(['submit', '--file', '-'], { input: Buffer.alloc(1024 ** 2, 97), stdin: 'pipe' });
  });

  it('says which task an ambiguous prefix could mean', async () => {
    await scratch.must(['submit', 'add one']);
    await scratch.must(['submit', 'add two']);
    const answer = await scratch.orchestrate(['submit', 'x', '--depends-on', 'add']);
    expect(answer).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('add-one, add-two') });
  });

  it('tells which role a task goes to and why, also later', async () => {
    const { tasks } = await scratch.json<Submitted>(['submit', 'Build React components']);
    const choice = { agent: 'frontend-ui-engineer', agentReason: 'words: React, components' };
    expect(tasks).toMatchObject([choice]);
    expect(await scratch.json(['task', 'build'])).toMatchObject(choice);
    expect(await scratch.must(['task', 'build'])).toContain('frontend-ui-engineer (words: React, components)');
    expect(await scratch.must(['submit', 'Make it faster'])).toContain(
      'Role: backend-systems-engineer (nothing else fits)\n',
    );
  });

  it('writes nothing with --dry-run', async () => {
    expect(await scratch.must(['submit', 'x', '--dry-run'])).toMatch(
      /^Would queue:\n.*\nnormal +backend-systems-engineer \(nothing else fits\)/,
    );
    expect((await scratch.json<{ tasks: unknown[] }>(['status'])).tasks).toEqual([]);
  });
});

describe('submit --batch', () => {
  const batch = async (lines: readonly unknown[]): Promise<string> => {
    const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
    await scratch.write({ 'tasks.jsonl': `${text}\n` });
    return 'tasks.jsonl';
  };

  it('queues all, with dependencies by key and by id', async () => {
    await scratch.must(['submit', 'earlier']);
    const file = await batch([
      { title: 'Last', description: 'l', dependsOn: ['first', 'earlier'], priority: 'low' },
      '',
      { title: 'First', description: 'f', key: 'first', agent: 'test-engineer' },
    ]);
    const would = await scratch.json(['submit', '--batch', file, '--dry-run']);
    expect(would).toMatchObject({
      tasks: [{ agentReason: 'nothing else fits' }, { agent: 'test-engineer', agentReason: 'chosen by you' }],
    });
    const { tasks } = await scratch.json<Submitted>(['submit', '--batch', file, '--priority', 'high']);
    expect(tasks.map(({ id, priority, dependsOn, phase }) => ({ id, priority, dependsOn, phase }))).toEqual([
      { id: 'last', priority: 'low', dependsOn: ['first', 'earlier'], phase: 2 },
      { id: 'first', priority: 'high', dependsOn: [], phase: 1 },
    ]);
  });

  it('tells all problems with their lines and queues nothing', async () => {
    const file = await batch([
      { title: 'fine', description: 'x' },
      'not json',
      { title: 'no description' },
      { description: ' ' },
      { description: 'x', agent: 'tester', colour: 'red' },
      { description: 'x', dependsOn: ['nowhere'] },
      { description: 'x', priority: 'urgent', key: 'k' },
      { description: 'x', key: 'j' },
      { description: 'x', key: 'j' },
    ]);
    const answer = await scratch.orchestrate(['submit', '--batch', file]);
    expect(answer.exitCode).toBe(2);
    const lines = [...answer.stderr.matchAll(/tasks\.jsonl:(\d+): (.*)/g)].map(([, line, said]) => `${line} ${said}`);
    expect(lines).toEqual([
      '2 not JSON',
      expect.stringMatching(/^3 description: /),
      '4 the description is empty',
      expect.stringMatching(/^5 .*colour/),
      '6 dependsOn: There is no task nowhere.',
      expect.stringMatching(/^7 priority: /),
      '9 the key "j" is that of line 8 already',
    ]);
    expect((await scratch.json<{ tasks: unknown[] }>(['status'])).tasks).toEqual([]);
  });

  it('takes likely files and a size, which `task` shows, and refuses what is too much of them', async () => {
    const files = ['src/auth/**', 'README.md'];
    await scratch.must(['submit', '--batch', await batch([{ description: 'known', files, size: 'small' }])]);
    expect(await scratch.json(['task', 'known'])).toMatchObject({ files, size: 'small' });
    const text = await scratch.must(['task', 'known']);
    expect(text).toMatch(/^ {2}size +small$/m);
    expect(text).toMatch(/^ {2}files +src\/auth\/\*\*, README\.md$/m);
    await scratch.must(['submit', 'nothing known']);
    expect(await scratch.json(['task', 'nothing-known'])).toMatchObject({ files: [], size: 'medium' });

    const wrong = await batch([
      { description: 'x', size: 'huge' },
      { description: 'x', files: Array.from({ length: 51 }, (_, i) => `f${i}`) },
      { description: 'x', files: ['a'.repeat(1001), ''] },
    ]);
    const { stderr, exitCode } = await scratch.orchestrate(['submit', '--batch', wrong]);
    expect(exitCode).toBe(2);
    for (const said of ['1: size: ', '2: files: has more', '3: files.0: is longer', '3: files.1: is empty']) {
      expect(stderr).toContain(`tasks.jsonl:${said}`);
    }
  });

  it('refuses a cycle and an empty file', async () => {
    const cycle = await batch([
      { description: 'a', key: 'a', dependsOn: ['b'] },
      { description: 'b', key: 'b', dependsOn: ['a'] },
    ]);
    expect((await scratch.orchestrate(['submit', '--batch', cycle, '--json'])).stderr).toContain('DEPENDENCY_CYCLE');
    expect((await scratch.orchestrate(['submit', '--batch', await batch([])])).stderr).toContain(
      'there is no task in it',
    );
  });

  it('reads from stdin', async () => {
    const input = `${JSON.stringify({ description: 'From the pipe' })}\n`;
    await scratch.must(['submit', '--batch', '-'], { input, stdin: 'pipe' });
    expect(await scratch.must(['status', '--repo', path.join(scratch.repository)])).toContain('from-the-pipe');
  });
});
