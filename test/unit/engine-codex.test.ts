// What the codex CLI printed, and what its engine makes of it.

import { describe, expect, it } from 'vitest';
import { codexEngine } from '../../src/engine/codex.ts';
import { ACCESS, readRecorded, readText, resultsOf, sessionOf, shownOf, textOf } from '../support/transcripts.ts';

const OPTIONS = { model: null, effort: null };
const engine = codexEngine(OPTIONS);

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

describe('the program', () => {
  it('is told all in a configuration of its own, the token by a variable', () => {
    const chosen = codexEngine({ model: 'gpt-test', effort: 'high' });
    const { argv, env, homeFiles } = sessionOf(chosen, { prompt: 'Say "hi".\n\u007f', tools: null }).program;
    expect(argv.slice(4, 7)).toEqual(['codex', 'exec', '--json']);
    expect(env).toMatchObject({
      CODEX_HOME: '/home/agent/.orchestrate/codex',
      ORCHESTRATE_MODEL_TOKEN: ACCESS.token,
    });
    const config = homeFiles.find(({ path }) => path === '.orchestrate/codex/config.toml')?.content.toString() ?? '';
    expect(config.split('\n')).toEqual(
      expect.arrayContaining([
        'model = "gpt-test"',
        'model_reasoning_effort = "high"',
        'developer_instructions = "Say \\"hi\\".\\n\\u007f"',
        'web_search = "disabled"',
        `base_url = "${ACCESS.url}/v1"`,
      ]),
    );
    expect(config).not.toContain(ACCESS.token);
  });

  it.each([
    [['Read'], 'Read. Here that means: run nothing but commands that read or search files, and change no file.'],
    [['Edit', 'Read'], 'Edit, Read. Here that means: run nothing but commands that read or search files.'],
    [['Bash'], 'Bash.'],
  ])('is told the tools of a role, which it cannot be held to: %j', (tools, said) => {
    const { homeFiles } = sessionOf(engine, { prompt: 'Read.', tools }).program;
    const config = homeFiles.find(({ path }) => path.endsWith('config.toml'))?.content.toString();
    const line = `Read.\n\nThe tools of your role, by their usual names: ${said}`;
    expect(config).toContain(`developer_instructions = ${JSON.stringify(line)}\n`);
  });
});

describe('a transcript', () => {
  it('of work that was done: texts, commands, usage, summary', async () => {
    const reading = await readRecorded(engine, 'codex-done', 0);
    expect(reading.verdict).toEqual({ done: true, summary: 'Done as the task says.' });
    expect(textOf(reading, 'stdout')).toBe('I do what the task says.\nDone as the task says.\n');
    expect(reading.events.filter(({ type }) => type === 'tool')).toEqual([
      { type: 'tool', tool: 'shell', detail: "printf 'hello\\n' >hello.txt; ls" },
    ]);
    expect(reading.events.at(-1)).toEqual({
      type: 'usage',
      usage: { inputTokens: 13_680, outputTokens: 34, cacheReadTokens: 13_488, cacheWriteTokens: 0, usd: null },
    });
  });

  it('of retries: they are told as complaints, and what came after counts', async () => {
    const reading = await readRecorded(engine, 'codex-retried', 0);
    expect(reading.verdict).toMatchObject({ done: true });
    expect(textOf(reading, 'stderr')).toContain('Reconnecting... 1/5');
  });

  it('of a model that it does not know: work all the same', async () => {
    const reading = await readRecorded(engine, 'codex-unknown-model', 0);
    expect(reading.verdict).toMatchObject({ done: true });
    expect(textOf(reading, 'stderr')).toContain('Model metadata for `gpt-test-1` not found');
  });

  it('of refused requests gives what was said to them', async () => {
    const { verdict } = await readRecorded(engine, 'codex-refused', 1);
    const reason = 'the model service answered with status 403: over-budget: the run may spend 5.00 USD';
    expect(verdict).toEqual({ done: false, reason });
  });

  it.each(['codex-empty', 'codex-refusal'])('%s is not done, though the turn was completed', async (name) => {
    const { verdict } = await readRecorded(engine, name, 0);
    const reason = 'the model ended its turn without saying or doing anything';
    expect(verdict).toEqual({ done: false, reason });
  });

  it('of which codex tells only of itself is not done', () => {
    const error = { id: 'item_0', type: 'error', message: 'Code Mode is unavailable' };
    const text = line({ type: 'item.completed', item: error }) + line({ type: 'turn.completed' });
    expect(readText(engine, text, 0).verdict).toMatchObject({ done: false });
  });

  it('of a failed turn gives the message of the JSON that the service sent', () => {
    const message = JSON.stringify({ error: { message: 'bad input', type: 'invalid_request_error' } });
    const text = line({ type: 'turn.failed', error: { message } });
    expect(readText(engine, text, 1).verdict).toEqual({ done: false, reason: 'codex gave up: bad input' });
  });

  it('without an end of a turn is not done', () => {
    const message = line({ type: 'item.completed', item: { id: 'item_0', type: 'agent_message', text: 'Hi.' } });
    expect(readText(engine, message, 0).verdict).toEqual({ done: false, reason: 'codex ended without a result' });
  });

  it.each([
    ["/bin/bash -lc 'ls -l'", 'ls -l'],
    ['/bin/sh -c "echo \\"$HOME\\" \\$x"', 'echo "$HOME" $x'],
    ['bash -lc ls', 'ls'],
    ['git status', 'git status'],
  ])('shows the command %s without its shell', (command, detail) => {
    const item = { id: 'item_1', type: 'command_execution', command };
    const text = line({ type: 'item.started', item }) + line({ type: 'item.completed', item });
    expect(shownOf(readText(engine, text, 0))).toEqual([{ type: 'tool', tool: 'shell', detail }]);
  });

  it('tells what came of its calls: of changes only that there were some', () => {
    const failed = { id: 'item_1', type: 'command_execution', command: "/bin/bash -lc 'npm test'", exit_code: 1 };
    const changes = { id: 'item_2', type: 'file_change', changes: [{ path: 'a.ts' }], status: 'completed' };
    const text =
      line({ type: 'item.started', item: { ...failed, exit_code: null } }) +
      line({ type: 'item.completed', item: { ...failed, aggregated_output: '1 failed\n', status: 'failed' } }) +
      line({ type: 'item.completed', item: changes });
    expect(resultsOf(readText(engine, text, 0))).toMatchObject([
      { tool: 'shell', detail: 'npm test', input: failed.command, failed: true, output: '1 failed\n' },
      { tool: 'edit', input: null, failed: false },
    ]);
  });

  it('shows which files were changed', () => {
    const changes = [{ path: '/workspace/a.txt', kind: 'add' }, { path: '/workspace/b.txt' }];
    const text = line({ type: 'item.completed', item: { id: 'item_1', type: 'file_change', changes } });
    expect(shownOf(readText(engine, text, 0))).toEqual([
      { type: 'tool', tool: 'edit', detail: '/workspace/a.txt, /workspace/b.txt' },
    ]);
  });
});
