// An agent that wants more of its gateway than it has, in a real sandbox beside one that only works.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { leftInDocker } from '../support/endurance.ts';
import { Gate } from '../support/model-server/gate.ts';
import { saidTo } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { Scratch } from '../support/scratch.ts';

const KEY = 'sk-test-hostile-0d7e5a9c31f84b62';
const AGENT = path.resolve(import.meta.dirname, '../support/hostile-agent.py');
const FEW_TRIES = 90;
const ASKED = 20;

let scratch: Scratch;
let server: ModelServer;

afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  await scratch?.[Symbol.asyncDispose]();
});

function ask(what: string): string {
  const content = { model: 'claude-sonnet-5-5', max_tokens: 64, messages: [{ role: 'user', content: what }] };
  const headers = `-H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json'`;
  return `curl -sS -m 100 -w '\\n%{http_code}\\n' ${headers} -d '${JSON.stringify(content)}' "$ANTHROPIC_BASE_URL/v1/messages" >> answers.txt`;
}

it('gets nothing, and its neighbour does not notice', async () => {
  const holding = new Gate();
  const working = new Gate();
  scratch = await Scratch.create({ 'attack.py': await readFile(AGENT, 'utf8') });
  server = await ModelServer.start({
    key: KEY,
    script: (request) => {
      const said = saidTo(request);
      if (said === 'last') holding.open();
      const gate = { hold: holding, first: working }[said];
      return { text: said, ...(gate === undefined ? {} : { gate }) };
    },
  });
  const folder = path.join(scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate');
  await mkdir(folder, { recursive: true });
  const works = [ask('first'), ...Array.from({ length: ASKED - 2 }, () => ask('again')), ask('last')].join('\n');
  const command = `if test $ORCHESTRATE_TASK_ID = attack; then exec python3 attack.py > tries.txt; fi\n${works}`;
  const engine = { command, env: ['ANTHROPIC_API_KEY', 'ANTHROPIC_BASE_URL'] };
  await writeFile(path.join(folder, 'config.yaml'), JSON.stringify({ engines: { asking: engine } }));
  await scratch.must(['submit', 'Attack']);
  await scratch.must(['submit', 'Work']);

  const flags = ['--engine', 'asking', '--network', 'allowlist', '--allow', 'allowed.invalid', '--json'];
  const running = scratch.orchestrate(['run', ...flags], {
    env: { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url },
  });
  // A run that ends instead is told below, with what it said.
  await Promise.race([Promise.all([holding.arrived(1), working.arrived(1)]), running]);
  working.open();
  const { exitCode, stdout, stderr } = await running;
  expect({ exitCode, stderr, stdout: exitCode === 0 ? '' : stdout }).toMatchObject({ exitCode: 0 });

  const tries = (await scratch.must(['patch', 'show', 'attack'])).match(/^\+(?:refused|GOT) .*$/gm) ?? [];
  expect(tries.filter((line) => line.startsWith('+GOT'))).toEqual(['+GOT its own model HTTP/1.1 200 OK']);
  expect(tries.length).toBeGreaterThan(FEW_TRIES);
  const answers = await scratch.must(['patch', 'show', 'work']);
  expect(answers.match(/^\+\d{3}$/gm)).toEqual(Array.from({ length: ASKED }, () => '+200'));
  expect(await leftInDocker(scratch)).toEqual(['volume store']);
});
