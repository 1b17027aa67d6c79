// The settings in examples/ are read as a user's own would be.
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { commandEngine, isGatewayVariable } from '../../src/engine/command.ts';

const EXAMPLES = path.resolve(import.meta.dirname, '../../examples');
const EXAMPLE = path.join(EXAMPLES, 'engines.yaml');
const nowhere = path.join(import.meta.dirname, 'nowhere');

function load(userFile: string) {
  return loadSettings({
    ...{ userFile, repositoryFile: path.join(nowhere, 'orchestrate.yaml'), directory: nowhere },
    ...{ trust: async () => false, environment: {}, flags: {} },
  });
}

const { settings, warnings } = await load(EXAMPLE);
const engines = Object.entries(settings.engines);

describe('examples/engines.yaml', () => {
  it('is a settings file without problems', () => {
    expect(warnings).toEqual([]);
    expect(engines.map(([name]) => name)).toEqual(['opencode', 'opencode-openai', 'gemini']);
  });

  it.each(engines)('has a command for %s that a shell can read', (_, { command }) => {
    expect(spawnSync('sh', ['-n'], { input: command, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });

  it.each(engines)(
    'names for %s every variable that its command needs, and says where a key is in the sandbox',
    (name, { command, env = [] }) => {
      const used = [...command.matchAll(/\b(?:ANTHROPIC|OPENAI|GEMINI)_(?:API_KEY|BASE_URL)\b/g)].map(
        ([found]) => found,
      );
      expect(env).toEqual(expect.arrayContaining(used));
      const ofGateway = env.filter(isGatewayVariable);
      expect(ofGateway.length === env.length).toBe(name !== 'gemini');
      expect(commandEngine({ name, command, env: { ofGateway, passed: {} } }).apis).toHaveLength(
        name === 'gemini' ? 0 : 1,
      );
    },
  );

  it('warns where a key is given away', async () => {
    expect(await readFile(EXAMPLE, 'utf8')).toMatch(/YOUR KEY IN THE SANDBOX[\s\S]*\n {2}gemini:/);
  });
});

describe('examples/swarm.yaml', () => {
  it('is a settings file without problems', async () => {
    const { settings, warnings } = await load(path.join(EXAMPLES, 'swarm.yaml'));
    expect(warnings).toEqual([]);
    expect(settings).toMatchObject({ sandbox: 'swarm', swarm: { address: 'ssh://ops@{addr}' } });
  });
});
