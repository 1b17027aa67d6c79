// `plan` in one repository: any goal gives a plan that holds, and wrong usage is told as such and stores nothing.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SEED_PLANS } from '../support/model-plans.ts';
import { Scratch } from '../support/scratch.ts';

interface Planned {
  readonly plan: {
    readonly goal: string;
    readonly tasks: readonly { readonly title: string; readonly role: string; readonly phase: number }[];
    readonly problems: readonly { readonly severity: string }[];
  };
  readonly tasks: readonly unknown[];
}

let scratch: Scratch;
beforeAll(async () => {
  scratch = await Scratch.create({
    'README.md': '# Shop\n',
    'app/main.py': 'app = None\n',
    '.claude/agents/pipe-fitter.md': '---\nname: pipe-fitter\ndescription: Fits pipes and valves.\n---\nFit.\n',
    'long.md': 'x y '.repeat(5_001),
  });
});
afterAll(() => scratch[Symbol.asyncDispose]());

it.each<[string[], string]>([
  [['plan'], 'the goal is empty'],
  [['plan', ''], 'the goal is empty'],
  [['plan', 'lst'], 'did you mean plan list?'],
  [['plan', 'shw'], 'did you mean plan show?'],
  [['plan', 'frobnicate'], 'a goal has more than one word'],
  [['plan', '--file', 'long.md'], 'longer than 20000 characters'],
  [['plan', 'Do it', '--file', 'README.md'], 'either as an argument or with --file'],
  [['plan', 'Do it', '--base', 'nowhere'], 'There is no commit called nowhere'],
  [['plan', '- Fit it\n- Paint it'], 'put -- in front of it'],
  [['plan', 'list', '--yes'], "unknown option '--yes'"],
  [['plan', 'Do it', '--budget-usd', 'much'], '--budget-usd'],
  [['plan', 'show', 'nothing'], 'There is no plan nothing'],
  [['plan', 'run', 'nothing', '--engine', 'demo'], 'There is no plan nothing'],
  [['execute-plan', 'nothing', '--engine', 'demo'], 'There is no plan nothing'],
  [['plan', 'import', 'nothing.yaml'], 'there is no file nothing.yaml'],
  [['submit', '-d'], 'the goal is empty'],
  [['submit', '-d', '--batch', 'tasks.jsonl'], '--batch holds tasks already'],
  [['submit', '-d', 'Do it', '--title', 'It'], 'leave out --title and --agent'],
  [['submit', 'Do it', '--engine', 'demo'], 'use it with --decompose'],
  [['submit', '-d', 'Do it', '--depends-on', 'nothing'], 'There is no task nothing'],
])('%j is wrong usage', async (args, said) => {
  const answer = await scratch.orchestrate(args);
  expect(answer).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining(said) });
});

it('tells who asks for a plan that is not there in JSON as well', async () => {
  const answer = await scratch.orchestrate(['plan', 'show', 'nothing', '--json']);
  expect(answer).toMatchObject({ exitCode: 2, stdout: '' });
  expect(JSON.parse(answer.stderr)).toMatchObject({ error: { code: 'UNKNOWN_PLAN' } });
});
it.each([...Object.keys(SEED_PLANS), 'Sprint 23 goals: API v2, mobile responsive UI, performance optimization'])(
  'prints one JSON document, with no error in the plan, for “%s”',
  async (goal) => {
    const answer = await scratch.orchestrate(['plan', goal, '--json']);
    expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('Saved as a draft.') });
    const { plan, tasks } = JSON.parse(answer.stdout) as Planned;
    expect(plan).toMatchObject({ goal, status: 'draft', planner: 'heuristic' });
    expect(plan.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(Math.max(...plan.tasks.map(({ phase }) => phase))).toBeGreaterThan(1);
    expect(tasks).toEqual([]);
  },
);

it('has one word of a language without spaces between words for a goal', async () => {
  const { plan } = await scratch.json<Planned>(['plan', 'ログイン機能を追加する']);
  expect(plan.goal).toBe('ログイン機能を追加する');
});

it("gives what a goal lists to the roles that its words speak for, the repository's own as well", async () => {
  const goal = '- Fit the pipes to the valves\n- Dark mode for the login page\n- Dockerfile';
  const { plan } = JSON.parse(await scratch.must(['plan', '--json', '--', goal])) as Planned;
  const roles = new Map(plan.tasks.map(({ title, role }) => [title, role]));
  expect(roles.get('Fit the pipes to the valves')).toBe('pipe-fitter');
  expect(roles.get('Dark mode for the login page')).toBe('frontend-ui-engineer');
  expect(roles.get('Dockerfile')).toBe('aws-cloud-architect');
});

it('shows in the help of a sub-command its own flags and those of all commands, and no others', async () => {
  const help = await scratch.must(['plan', 'show', '--help']);
  expect(help).toContain('--json');
  expect(help).not.toContain('--engine');
});
