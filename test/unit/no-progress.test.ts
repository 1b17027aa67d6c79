import { describe, expect, it } from 'vitest';
import type { ToolResult } from '../../src/engine/engine.ts';
import { NoProgress } from '../../src/tasks/no-progress.ts';

type Call = Pick<ToolResult, 'tool' | 'input' | 'failed' | 'output'>;

function fails(input: string, output = 'Error: Cannot find module\n[exit code 1]'): Call {
  return { tool: 'bash', input, failed: true, output };
}

function works(input: string | null, output = 'ok', tool = 'bash'): Call {
  return { tool, input, failed: false, output };
}

/** What an engine that knows all of its edits tells, and one that knows only their files. */
function edit(change: number | string): Call {
  return works(JSON.stringify({ path: 'a.ts', old: 'x', new: change }), 'the file was changed', 'edit');
}
const fileChange = works(null, '', 'edit');

/** After which call the agent would be ended, counted from 1; null: it would not. `secondsEach` pass with each call. */
function endedAfter(calls: readonly Call[], secondsEach = 1): number | null {
  let now = 0;
  const progress = new NoProgress(() => now);
  for (const [at, call] of calls.entries()) {
    now += secondsEach * 1000;
    if (progress.see({ type: 'result', detail: String(call.input), ...call }) !== null) return at + 1;
  }
  return null;
}

/** So many rounds, each of these calls. */
function rounds(count: number, round: (n: number) => readonly Call[]): Call[] {
  return Array.from({ length: count }, (_, n) => round(n)).flat();
}

const TEST = 'npm test';

describe('an agent that goes round in circles is ended', () => {
  it.each<[string, readonly Call[], number, number]>([
    ['quickly, after 24 times', rounds(100, () => [fails(TEST)]), 1, 24],
    ['slowly, after 8 times', rounds(100, () => [fails(TEST)]), 30, 8],
    [
      'though it looks at the same file each time',
      rounds(100, () => [works('cat a.ts', 'the same'), fails(TEST)]),
      1,
      48,
    ],
    ['though it makes and undoes one change', rounds(100, (n) => [edit(n % 2), fails(TEST)]), 20, 18],
    ['though it tries two things that fail in turn', rounds(100, () => [fails('make'), fails(TEST)]), 20, 15],
    [
      'though times, process ids and names of temporary files differ',
      rounds(100, (n) => [
        fails(TEST, `2026-11-2${n % 9}T03:0${n % 9}:00Z [${n}] FAIL in ${n}.5s, see /tmp/npm-${n}x/log (pid ${n})`),
      ]),
      1,
      24,
    ],
    ['where it waits for what never comes', rounds(200, () => [fails('sleep 5; curl -sf localhost:3000')]), 10, 60],
    [
      'after a while in which it did get on',
      [...rounds(9, (n) => [edit(n), fails(TEST)]), ...rounds(30, () => [fails(TEST)])],
      30,
      25,
    ],
  ])('%s', (_, calls, secondsEach, after) => {
    expect(endedAfter(calls, secondsEach)).toBe(after);
  });
});

describe('an agent that gets on is left alone:', () => {
  it.each<[string, readonly Call[], number]>([
    ['one that edits before each try', rounds(200, (n) => [edit(n), fails(TEST)]), 30],
    ['one whose edits are told by their files alone', rounds(200, () => [fileChange, fails(TEST)]), 30],
    ['one whose tries fail differently', rounds(200, (n) => [fails(TEST, `${200 - n} failed, 3 passed`)]), 30],
    ['one that tries different things', rounds(200, (n) => [fails(`npm test ${n}`)]), 30],
    ['one that reads its way through many files', rounds(200, (n) => [works(`cat ${n}.ts`, `${n}`), fails(TEST)]), 30],
    ['one that edits and tests in one command', rounds(200, (n) => [fails(`sed -i s/x/${n}/ a.ts && npm test`)]), 30],
    ['one that does the same with success', rounds(500, () => [works('git status', 'clean')]), 30],
    ['one that waits for a server', rounds(50, () => [fails('sleep 5; curl -sf localhost:3000')]), 15],
    ['one that looks for what another process builds', rounds(16, () => [fails('ls dist/main.js')]), 10],
    ['one that says what it asked for twice and no more', rounds(7, () => [fails(TEST)]), 600],
  ])('%s', (_, calls, secondsEach) => {
    expect(endedAfter(calls, secondsEach)).toBeNull();
  });
});

it('the reason names what failed, and how often', () => {
  const progress = new NoProgress(() => 0);
  const call: ToolResult = { type: 'result', detail: 'npm test', ...fails(TEST) };
  const reasons = Array.from({ length: 24 }, () => progress.see(call));
  expect(reasons.at(-1)).toContain('the same call failed 24 times');
  expect(reasons.at(-1)).toContain('bash: npm test');
});
