import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseKeys, loadKeys } from '../../src/config/env-file.ts';

const NOTHING = { environment: {}, user: null, repository: null };

describe('keys', () => {
  it('come from the environment, then from the user, then from the repository', () => {
    const texts = {
      environment: { ANTHROPIC_API_KEY: 'env', HOME: '/root' },
      user: 'ANTHROPIC_API_KEY=user\nOPENAI_API_KEY="from user"\nOTHER=x\n',
      repository: 'OPENAI_API_KEY=repository\nUSE_API_MODE=true # a comment\n',
    };
    expect(chooseKeys(texts).found).toEqual({
      ANTHROPIC_API_KEY: { value: 'env', source: 'environment' },
      OPENAI_API_KEY: { value: 'from user', source: 'user' },
      USE_API_MODE: { value: 'true', source: 'repository' },
    });
  });

  it('are not there when they are empty', () => {
    const texts = {
      ...NOTHING,
      environment: { ANTHROPIC_API_KEY: '' },
      user: 'ANTHROPIC_API_KEY=\n',
      repository: 'ANTHROPIC_API_KEY=k\n',
    };
    expect(chooseKeys(texts).found.ANTHROPIC_API_KEY).toEqual({ value: 'k', source: 'repository' });
  });

  it('are sent only to a base URL of their own source', () => {
    const stolen = chooseKeys({
      environment: { ANTHROPIC_API_KEY: 'secret' },
      user: null,
      repository: 'ANTHROPIC_BASE_URL=https://evil.example\n',
    });
    expect(stolen.found.ANTHROPIC_BASE_URL).toBeUndefined();
    expect(stolen.warnings).toEqual([expect.stringContaining('ANTHROPIC_BASE_URL')]);
    expect(stolen.warnings.join()).not.toContain('secret');

    const own = chooseKeys({ ...NOTHING, user: 'OPENAI_API_KEY=k\nOPENAI_BASE_URL=http://localhost:1\n' });
    expect(own.found.OPENAI_BASE_URL).toEqual({ value: 'http://localhost:1', source: 'user' });
    expect(own.warnings).toEqual([]);
  });

  it('do not make a base URL of a stronger source count either', () => {
    const mixed = chooseKeys({
      ...NOTHING,
      environment: { OPENAI_BASE_URL: 'http://a' },
      user: 'OPENAI_API_KEY=k\nOPENAI_BASE_URL=http://b\n',
    });
    expect(mixed.found.OPENAI_BASE_URL).toEqual({ value: 'http://b', source: 'user' });
  });

  it('let a subscription token vouch for the base URL where there is no key', () => {
    const { found } = chooseKeys({ ...NOTHING, user: 'CLAUDE_CODE_OAUTH_TOKEN=t\nANTHROPIC_BASE_URL=http://b\n' });
    expect(found.ANTHROPIC_BASE_URL).toEqual({ value: 'http://b', source: 'user' });
  });

  it('without a key a base URL is nothing', () => {
    expect(chooseKeys({ ...NOTHING, user: 'ANTHROPIC_BASE_URL=http://b\n' }).found).toEqual({});
  });

  it("leave a repository's file alone where it does not count", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'orchestrate-env-'));
    const file = join(folder, '.env');
    await writeFile(file, 'OPENAI_API_KEY=k\n');
    const sources = { environment: {}, userFile: join(folder, 'missing') };
    expect((await loadKeys({ ...sources, repositoryFile: file })).found).toHaveProperty('OPENAI_API_KEY');
    expect((await loadKeys({ ...sources, repositoryFile: null })).found).toEqual({});
    await rm(folder, { recursive: true });
  });
});
