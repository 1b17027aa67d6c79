// What the claude CLI printed, and what its engine makes of it.

import { describe, expect, it } from 'vitest';
import { claudeEngine } from '../../src/engine/claude.ts';
import { ACCESS, ASSIGNMENT, readRecorded, readText, resultsOf, sessionOf, textOf } from '../support/transcripts.ts';

const OPTIONS = { model: null, effort: null, maxTurns: null };
const engine = claudeEngine(OPTIONS);

const SAID = JSON.stringify({ type: 'assistant', message: { id: 'm', content: [{ type: 'text', text: 'Hi.' }] } });

describe('the program', () => {
  it('reads the prompt from a file and has the token of the attempt in place of a key', () => {
    const { argv, env, homeFiles } = sessionOf(engine).program;
    const input = '/home/agent/.orchestrate/input.md';
    expect(argv.slice(0, 5)).toEqual(['/bin/sh', '-c', 'exec "$@" <"$0"', input, 'claude']);
    expect(argv.join(' ')).not.toContain(ASSIGNMENT.description);
    const prompt = homeFiles.find(({ path }) => input.endsWith(path))?.content.toString() ?? '';
    expect(prompt).toMatch(/^\nAdd a file\.\n\n\(.*\/context\/outbox.*\)\n$/);
    expect(env).toMatchObject({ ANTHROPIC_BASE_URL: ACCESS.url, ANTHROPIC_AUTH_TOKEN: ACCESS.token });
  });

  it('gets model, effort, turns and the role as they were chosen', () => {
    const chosen = claudeEngine({ model: 'opus', effort: 'high', maxTurns: 7 });
    const { argv, homeFiles } = sessionOf(chosen, { prompt: 'You are test-engineer.', tools: null }).program;
    const line = argv.join(' ');
    expect(line).toContain('--model opus --effort high --max-turns 7 ');
    expect(line).toContain('--append-system-prompt-file /home/agent/.orchestrate/role.md');
    expect(homeFiles.find(({ path }) => path === '.orchestrate/role.md')?.content.toString()).toBe(
      'You are test-engineer.',
    );
    expect(argv).not.toContain('--tools');
  });

  it.each([
    [['Edit', 'Read'], 'Edit,Read'],
    [[], ''],
  ])('has no more tools than its role: %j', (tools, given) => {
    const { argv } = sessionOf(engine, { prompt: 'Read.', tools }).program;
    expect(argv[argv.indexOf('--tools') + 1]).toBe(given);
  });

  it('cannot be where agents reach no model', () => {
    expect(() => engine.begin(ASSIGNMENT, null)).toThrow(expect.objectContaining({ code: 'NO_MODEL_ACCESS' }));
  });
});

describe('a transcript', () => {
  it('of work that was done: texts, calls, usage, summary', async () => {
    const reading = await readRecorded(engine, 'claude-done', 0);
    expect(reading.verdict).toEqual({ done: true, summary: 'Done as the task says.' });
    expect(textOf(reading, 'stdout')).toBe('I do what the task says.\nDone as the task says.\n');
    expect(reading.events.filter(({ type }) => type === 'tool')).toEqual([
      { type: 'tool', tool: 'Bash', detail: expect.stringContaining('>hello.txt; ls') },
    ]);
    const usages = reading.events.flatMap((event) => (event.type === 'usage' ? [event.usage] : []));
    expect(usages).toHaveLength(3);
    expect(usages[0]?.usd).toBeNull();
    expect(usages[2]?.usd).toBeGreaterThan(0);
    expect(usages[2]?.cacheReadTokens).toBe(usages[0]?.cacheWriteTokens);
  });

  it('of retries: they are told as complaints, and what came after counts', async () => {
    const reading = await readRecorded(engine, 'claude-retried', 0);
    expect(reading.verdict).toMatchObject({ done: true });
    expect(textOf(reading, 'stderr')).toContain('the model service failed (status 529): try 1 of 10 follows\n');
  });

  it.each([
    ['claude-refused', /^the model service answered with status 403: over-budget: the run may spend 5.00 USD$/],
    ['claude-refusal', /^the model refused the task: /],
    ['claude-max-turns', /^claude was stopped: Reached maximum number of turns \(2\)$/],
  ])('%s is not done, though its subtype may say success', async (name, reason) => {
    const { verdict } = await readRecorded(engine, name, 1);
    expect(verdict).toEqual({ done: false, reason: expect.stringMatching(reason) });
  });

  it('of a model that said and did nothing is not done, though it ends well', async () => {
    const reason = 'the model ended its turn without saying or doing anything';
    expect((await readRecorded(engine, 'claude-empty', 0)).verdict).toEqual({ done: false, reason });
  });

  it('without a result is not done, whatever the exit code', async () => {
    const why = async (exitCode: number): Promise<unknown> => readText(engine, 'Hello.\n', exitCode).verdict;
    expect(await why(0)).toEqual({ done: false, reason: 'claude ended without a result' });
    expect(await why(1)).toEqual({ done: false, reason: 'claude ended with exit code 1' });
    expect(await why(127)).toEqual({ done: false, reason: 'claude was not found in the image (exit code 127)' });
    expect(await why(137)).toEqual({ done: false, reason: 'claude was ended by signal 9' });
  });

  it('that ends in a complaint on stderr gives it as the reason', () => {
    const { verdict, events } = readText(engine, 'Some notice\nerror: unknown option\n', 1, 'stderr');
    expect(verdict).toEqual({ done: false, reason: 'claude ended with exit code 1: error: unknown option' });
    expect(events.every((event) => event.type === 'text' && event.stream === 'stderr')).toBe(true);
  });

  it('with lines of other forms: garbage is text, unknown and broken events are passed over', () => {
    const lines = [
      'no json',
      '{"type":"new"}',
      '{"type":"assistant"}',
      '{"type":"result","is_error":"no"}',
      '{"type":',
    ];
    const reading = readText(engine, `${lines.join('\n')}\n`, 0);
    expect(textOf(reading, 'stdout')).toBe('no json\n{"type":\n');
    expect(reading.verdict).toMatchObject({ done: false });
  });

  it('with ids that are remembered and far too long: the events are passed over', () => {
    const message = { id: 'x'.repeat(201), content: [{ type: 'text', text: 'Hi.' }], usage: {} };
    expect(readText(engine, `${JSON.stringify({ type: 'assistant', message })}\n`, 0).events).toEqual([]);
  });

  it('takes the last result, even one whose line was not ended', () => {
    const result = (fields: object): string => JSON.stringify({ type: 'result', subtype: 'success', ...fields });
    const lines = [
      SAID,
      result({ is_error: true, result: 'API Error: 500' }),
      result({ is_error: false, result: 'Fine.' }),
    ];
    expect(readText(engine, lines.join('\n'), 0).verdict).toEqual({ done: true, summary: 'Fine.' });
  });

  it('tells what came of its calls, and of one too long to remember only that it is done', () => {
    const call = (id: string, command: string) => ({ type: 'tool_use', id, name: 'Bash', input: { command } });
    const answer = (id: string, fields: object) => ({ type: 'tool_result', tool_use_id: id, ...fields });
    const lines = [
      { type: 'assistant', message: { id: 'm1', content: [call('one', 'npm test'), call('two', 'x'.repeat(70_000))] } },
      { type: 'user', message: { content: [answer('one', { content: 'Exit code 1\nno', is_error: true })] } },
      { type: 'user', message: { content: [answer('two', { content: [{ type: 'text', text: 'yes' }] })] } },
      { type: 'user', message: { content: [answer('three', { content: 'of no call' })] } },
      { type: 'user', message: { content: 'of a person' } },
    ];
    const text = lines.map((one) => `${JSON.stringify(one)}\n`).join('');
    expect(resultsOf(readText(engine, text, 0))).toEqual([
      {
        ...{ type: 'result', tool: 'Bash', detail: 'npm test', input: '{"command":"npm test"}' },
        ...{ failed: true, output: 'Exit code 1\nno' },
      },
      expect.objectContaining({ input: null, failed: false, output: 'yes' }),
    ]);
  });

  it('keeps summaries and details short', () => {
    const call = { type: 'tool_use', name: 'Bash', input: { command: `echo ${'x'.repeat(500)}\nexit` } };
    const assistant = JSON.stringify({ type: 'assistant', message: { id: 'm', content: [call] } });
    const result = JSON.stringify({ type: 'result', subtype: 'success', is_error: false, result: 'y'.repeat(100_000) });
    const { events, verdict } = readText(engine, `${assistant}\n${result}\n`, 0);
    expect(events[0]).toMatchObject({ tool: 'Bash', detail: `echo ${'x'.repeat(195)}…` });
    expect(verdict).toEqual({ done: true, summary: `${'y'.repeat(8000)}…` });
  });
});
