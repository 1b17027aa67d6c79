// Changes that a person requests of a patch: through the command line, and with each kind of engine in real sandboxes.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/killed-run.ts';
import { obedient } from '../support/model-server/obedient.ts';
import { answersSoFar, items, type Script, saidTo } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { shellCall } from '../support/model-server/shell-call.ts';
import { finishTask, PlayedRun } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

const KEY = 'sk-test-canary-5d1f0a7c93e2b846';
const MESSAGE = 'Greet the moon as well:\n\n```sh\nprintf "moon\\n" >>greeting.txt\n```\n';

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.create({ 'README.md': '# Sample\n' });
});
afterEach(() => scratch[Symbol.asyncDispose]());

interface Listed {
  readonly patches: readonly { readonly id: string; readonly status: string; readonly reason: string | null }[];
}

async function statesOf(): Promise<Record<string, string>> {
  const { patches } = await scratch.json<Listed>(['patch', 'list']);
  return Object.fromEntries(patches.map(({ id, status }) => [id, status]));
}

describe('patch request-changes', () => {
  it('queues the task again, and everything says why', async () => {
    await finishTask(scratch, { title: 'Greet', files: { x: 'x\n' }, transcript: 'worked\n' });
    const said = await scratch.must(['patch', 'request-changes', 'greet', '-m', 'use \u001b[31mred\u001b[0m\nplease']);
    expect(said).toBe(
      'Changes requested of greet.1: greet is queued for attempt 2, which goes on with it\nNext: orchestrate run',
    );
    const reason = 'changes requested: use \\x1b[31mred\\x1b[0m…';
    expect(await scratch.must(['status'])).toContain('changes requested: use red…');
    expect(await scratch.must(['patch', 'list'])).toContain(reason);
    const task = await scratch.must(['task', 'greet']);
    expect(task).toMatch(/Timeline:[\s\S]*greet {2}of greet\.1, changes requested: use/);
    expect(task).not.toContain('\u001b');
    expect((await scratch.orchestrate(['logs', 'greet'])).stderr).toContain(reason);
    const { patches } = await scratch.json<Listed>(['patch', 'list']);
    expect(patches).toMatchObject([{ status: 'changes-requested', reason: 'use \u001b[31mred\u001b[0m\nplease' }]);
  });

  it('takes the message from a file or the standard input, and refuses one that is empty or too long', async () => {
    await finishTask(scratch, { title: 'Greet', files: { x: 'x\n' } });
    const ask = (...flags: readonly string[]) => scratch.orchestrate(['patch', 'request-changes', 'greet', ...flags]);
    expect(await ask()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--message or with --file') });
    expect(await ask('-m', ' \n')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('is empty') });
    await scratch.write({ 'long.md': 'x'.repeat(1024 ** 2), 'short.md': 'shorter\n' });
    expect(await ask('--file', 'long.md')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('larger than'),
    });
    expect(await ask('-m', 'x'.repeat(100_000))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('64 KiB'),
    });
    expect(await statesOf()).toEqual({ 'greet.1': 'pending' });
    await scratch.must(['patch', 'request-changes', 'greet', '--file', 'short.md']);
    await scratch.must(['patch', 'request-changes', 'greet', '--file', '-'], { input: 'shortest', stdin: 'pipe' });
    expect((await scratch.json<Listed>(['patch', 'list'])).patches).toMatchObject([{ reason: 'shortest' }]);
  });

  it('is refused for what is decided for good or at work, with what to do', async () => {
    await finishTask(scratch, { title: 'Greet', files: { x: 'x\n' } });
    const ask = () => scratch.orchestrate(['patch', 'request-changes', 'greet.1', '-m', 'x']);
    await scratch.must(['patch', 'reject', 'greet']);
    expect(await ask()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('orchestrate retry greet') });
    await scratch.must(['retry', 'greet']);
    await scratch.must(['patch', 'approve', 'greet']);
    {
      await using played = await PlayedRun.begin(scratch);
      await played.start();
      expect(await ask()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('orchestrate kill greet') });
    }
    await scratch.must(['patch', 'apply', 'greet.1']);
    expect(await ask()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('orchestrate submit') });
  });
});

/** Approves the newest result and merges: what is there then. */
async function merged(): Promise<string> {
  await scratch.must(['patch', 'approve', 'greet']);
  await scratch.must(['merge']);
  return scratch.git('show', 'HEAD:greeting.txt');
}

/** Does what the task says; once there is a request, does what that says and no more. */
const twoRounds: Script = (request) => {
  const messages = items(request.body.messages);
  const asked = messages.findLastIndex((message) => JSON.stringify(message).includes('Greet the moon'));
  if (asked < 0) return obedient(request);
  const isDone = messages.slice(asked).some(({ role }) => role === 'assistant');
  if (isDone) return { text: 'Both are greeted now.' };
  return { tools: [shellCall(request, 'printf "moon\\n" >>greeting.txt')] };
};

describe('a request for changes', () => {
  const TASK = 'Greet the world\n\n```sh\nprintf "hello\\n" >greeting.txt\n```\n';

  it.each(['api', 'claude'])('is worked by %s on its own result, with what was said before', async (engine) => {
    await using server = await ModelServer.start({ script: twoRounds, key: KEY });
    const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url };
    const run = () => scratch.must(['run', '--engine', engine, '--model', 'claude-sonnet-5-5'], { env });
    await scratch.must(['submit', '--title', 'Greet', TASK]);
    await run();
    const before = server.modelRequests.length;
    await scratch.must(['patch', 'request-changes', 'greet', '-m', MESSAGE]);
    await run();
    const asked = server.modelRequests.slice(before).find((request) => saidTo(request).includes('Greet the moon'));
    if (asked === undefined) throw new Error('the model was not told');
    if (engine === 'api') expect(answersSoFar(asked)).toBeGreaterThan(1);
    else expect(saidTo(asked)).toContain('> Done as the task says.');
    expect(await statesOf()).toEqual({ 'greet.1': 'changes-requested', 'greet.2': 'pending' });
    expect(await merged()).toBe('hello\nmoon');
  });

  it('is taken up at once by a run that is at work', async () => {
    await scratch.submitScript('Greet', 'printf "hello\\n" >greeting.txt');
    await scratch.submitScript('Wait', 'sleep 600');
    const running = scratch.orchestrate(['run', '--engine', 'demo', '--max-agents', '2']);
    await until(async () => (await statesOf())['greet.1'] === 'pending');
    const said = await scratch.must(['patch', 'request-changes', 'greet', '-m', MESSAGE]);
    expect(said).toContain('the run takes it up');
    await until(async () => (await statesOf())['greet.2'] === 'pending');
    await scratch.must(['kill', 'wait']);
    await running;
    expect(await merged()).toBe('hello\nmoon');
  });

  it('is worked by a command, round after round, by one run and by the next', async () => {
    await scratch.must(['submit', '--title', 'Greet', TASK]);
    const work =
      'cat "$ORCHESTRATE_CONTEXT_DIR"/change-request.md >>greeting.txt 2>/dev/null || echo hello >greeting.txt';
    const run = () => scratch.must(['run', '--engine-command', `${work}; echo worked`]);
    await run();
    for (const message of ['first message', 'second message']) {
      await scratch.must(['patch', 'request-changes', 'greet', '-m', message]);
      await run();
    }
    const text = await merged();
    expect(text).toMatch(/^hello\n[\s\S]*first message[\s\S]*first message[\s\S]*second message$/);
    expect(await statesOf()).toMatchObject({ 'greet.2': 'changes-requested', 'greet.3': 'merged' });
  });
});
