import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
  await scratch.must(['plan', 'Add OAuth2 login with GitHub']);
});
afterEach(() => scratch[Symbol.asyncDispose]());

const list = async () => (await scratch.json<{ plans: { status: string; tasks: number }[] }>(['plan', 'list'])).plans;

describe('a flag that plan and its sub-command both have', () => {
  it('is the sub-command’s, wherever it stands', async () => {
    for (const args of [
      ['plan', 'run', 'add-oauth2', '--engine', 'nobody'],
      ['plan', '--engine', 'nobody', 'run', 'add-oauth2'],
    ]) {
      const { exitCode, stderr } = await scratch.orchestrate(args);
      expect(stderr).toContain('--engine: unknown engine "nobody"');
      expect(exitCode).toBe(2);
    }
    expect(await scratch.must(['plan', 'continue', 'add-oauth2', '--yes'])).toContain('Queued 4 tasks');
    expect(await list()).toMatchObject([{ status: 'approved' }]);
  });

  it('is refused where the sub-command has none', async () => {
    const { exitCode, stderr } = await scratch.orchestrate(['plan', 'show', 'add-oauth2', '--yes']);
    expect(stderr).toContain("unknown option '--yes'");
    expect(exitCode).toBe(2);
    const help = await scratch.must(['plan', 'show', '--help']);
    expect(help).toContain('--json');
    expect(help).not.toContain('--yes');
  });
});

describe('a base that does not exist', () => {
  it('is wrong input for planning, and queues nothing of a plan', async () => {
    for (const args of [
      ['plan', 'Add search', '--base', 'nowhere'],
      ['plan', 'run', 'add-oauth2', '--engine', 'demo', '--base', 'nowhere'],
    ]) {
      const { exitCode, stderr } = await scratch.orchestrate(args);
      expect(stderr).toContain('There is no commit called nowhere.');
      expect(exitCode).toBe(2);
    }
    expect(await list()).toMatchObject([{ status: 'draft', tasks: 4 }]);
  });
});

describe('a goal of one word', () => {
  it('is a goal in a script without blanks, and a slip in one with them', async () => {
    expect(await scratch.must(['plan', 'ログイン機能を追加する'])).toContain('ログイン機能を追加する');
    const { exitCode, stderr } = await scratch.orchestrate(['plan', 'lst']);
    expect(stderr).toContain('“lst” is neither a goal nor a sub-command of plan');
    expect(exitCode).toBe(2);
  });
});

describe('a text in a file', () => {
  it.each(['plan', 'submit'])('of %s is read up to its limit where its size is not known before', async (command) => {
    const { exitCode, stderr } = await scratch.orchestrate([command, '--file', '/dev/zero']);
    expect(stderr).toContain('/dev/zero is larger than 1 MiB');
    expect(exitCode).toBe(2);
  });
});
