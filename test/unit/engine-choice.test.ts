import { describe, expect, it } from 'vitest';
import type { KeyName, Keys } from '../../src/config/env-file.ts';
import { chooseEngine } from '../../src/engine/choose.ts';
import { upstreamFor } from '../../src/engine/upstreams.ts';
import { OrchestrateError } from '../../src/errors.ts';

const KEY = 'sk-test-0123456789';

function keys(values: Partial<Record<KeyName, string>>): Keys['found'] {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value, source: 'environment' }]));
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof OrchestrateError) return `${error.exitCode} ${error.code}`;
    throw error;
  }
  return 'accepted';
}

describe('the engine that nobody named', () => {
  it.each([
    [{ USE_API_MODE: 'true', OPENAI_API_KEY: KEY }, 'api'],
    [{ USE_API_MODE: 'false', ANTHROPIC_API_KEY: KEY }, 'claude'],
    [{ ANTHROPIC_API_KEY: KEY, OPENAI_API_KEY: KEY }, 'api'],
    [{ CLAUDE_CODE_OAUTH_TOKEN: KEY, OPENAI_API_KEY: KEY }, 'claude'],
    [{ OPENAI_API_KEY: KEY }, 'codex'],
  ] as const)('with %j is %s', (found, engine) => {
    expect(chooseEngine(keys(found))).toBe(engine);
  });

  it('is never the demo', () => {
    expect(codeOf(() => chooseEngine({}))).toBe('3 NO_ENGINE');
  });
});

describe('a model service', () => {
  const anthropic = (values: Partial<Record<KeyName, string>>, via: 'direct' | 'coordinator' = 'direct') =>
    upstreamFor({ api: 'anthropic', keys: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'], found: keys(values), via });

  it('gets an API key as such and a token as a bearer', () => {
    expect(anthropic({ ANTHROPIC_API_KEY: KEY }).auth).toEqual({ header: 'x-api-key', value: KEY });
    expect(anthropic({ CLAUDE_CODE_OAUTH_TOKEN: KEY }).auth).toEqual({
      header: 'authorization',
      value: `Bearer ${KEY}`,
    });
  });

  it.each([
    ['http://127.0.0.1:4010/', 'http://127.0.0.1:4010', 'coordinator'],
    ['http://localhost:4010/prefix/v1', 'http://localhost:4010/prefix', 'coordinator'],
    ['https://[::1]:4010', 'https://[::1]:4010', 'coordinator'],
    ['https://models.example.org/a/v1/', 'https://models.example.org/a', 'direct'],
  ])('at %s is asked at %s, connected to by: %s', (written, baseUrl, via) => {
    expect(anthropic({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: written })).toMatchObject({ baseUrl, via });
  });

  it.each([
    [{}, '3 NO_KEY'],
    [{ ANTHROPIC_API_KEY: 'sk-test with blanks' }, '3 BAD_KEY'],
    [{ ANTHROPIC_API_KEY: 'sk-test-ключ-0123' }, '3 BAD_KEY'],
    [{ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'api.anthropic.com' }, '3 BAD_BASE_URL'],
    [{ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'ftp://example.org' }, '3 BAD_BASE_URL'],
    [{ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'http://models.example.org' }, '3 BAD_BASE_URL'],
    [{ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'https://user:word@example.org' }, '3 BAD_BASE_URL'],
    [{ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: 'https://example.org/?to=1' }, '3 BAD_BASE_URL'],
  ])('is refused before anything starts: %j', (values, code) => {
    expect(codeOf(() => anthropic(values))).toBe(code);
  });

  it('never names a key in what it says', () => {
    const bad = 'sk-test-\u0007-canary';
    expect(() => anthropic({ ANTHROPIC_API_KEY: bad })).toThrow(/^((?!canary).)*$/);
  });
});
