// Private registries of the settings: what the gateway, the set-up and the agents are told of them.
import { describe, expect, it } from 'vitest';
import { parseAllow } from '../../src/config/allow.ts';
import { registryRules } from '../../src/config/registries.ts';
import { OrchestrateError } from '../../src/errors.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { judge } from '../../src/gateway/rules.ts';
import { registryFiles, registryVariables } from '../../src/sandbox/registries.ts';

const TOKEN = 'sk-test-registry-0123456789';
const REGISTRIES = { 'npm.corp.example:8443': { tokenEnv: 'CORP_TOKEN' } };

function failure(act: () => unknown): OrchestrateError {
  try {
    act();
  } catch (error) {
    if (error instanceof OrchestrateError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a private registry of the settings', () => {
  it('is a host that the gateway adds the token to', () => {
    expect(registryRules(REGISTRIES, { CORP_TOKEN: `${TOKEN}\n` })).toEqual([
      { host: 'npm.corp.example', ports: [8443], cidr: null, authorization: `Bearer ${TOKEN}` },
    ]);
    expect(registryRules({ 'r.example.org': { tokenEnv: 'T' } }, { T: TOKEN })).toMatchObject([{ ports: [443] }]);
  });

  it('is in a private network where another word gives the range', () => {
    const rules = [
      ...parseAllow(['npm.corp.example:8443=10.0.0.0/8']),
      ...registryRules(REGISTRIES, { CORP_TOKEN: TOKEN }),
    ];
    expect(judge(rules, 'npm.corp.example', 8443)).toMatchObject({
      ranges: { cidr: '10.0.0.0/8' },
      authorization: `Bearer ${TOKEN}`,
    });
  });

  it('is no secret that the gateway would tell with what a service said', () => {
    const gateway = new Gateway();
    const allow = registryRules(REGISTRIES, { CORP_TOKEN: TOKEN });
    const access = { attempt: 'a.1', token: 'b'.repeat(64), toolboxToken: null, apis: [], models: null };
    gateway.open({ ...access, allow, caps: { usd: null, tokens: null } });
    expect(gateway.redactor.text(`refused: Bearer ${TOKEN}, ${encodeURIComponent(`/${TOKEN}`)}`)).not.toContain(TOKEN);
  });

  it.each([undefined, '', ' '])('without its token (%j) is refused, with the name of the variable', (value) => {
    const error = failure(() => registryRules(REGISTRIES, { CORP_TOKEN: value }));
    expect(error).toMatchObject({
      kind: 'environment',
      code: 'NO_TOKEN',
      message: expect.stringContaining('CORP_TOKEN'),
    });
  });

  it.each([`${TOKEN}\r\nx-evil: 1`, `${TOKEN} twice`, `"${TOKEN}"`])('never names a token: %j', (value) => {
    const error = failure(() => registryRules(REGISTRIES, { CORP_TOKEN: value }));
    expect(error.code).toBe('BAD_TOKEN');
    expect(`${error.message} ${error.hint}`).not.toContain(TOKEN);
  });
});

describe('package managers in a sandbox', () => {
  const access = { url: 'http://127.0.0.1:47821', token: 'c0ffee', registries: ['npm.corp.example:8443'] };

  it("find the attempt's token in a variable, and npm by its settings", () => {
    expect(registryVariables(access)).toMatchObject({ ORCHESTRATE_GATEWAY_TOKEN: 'c0ffee' });
    const [file] = registryFiles(access);
    expect(registryVariables(access).NPM_CONFIG_GLOBALCONFIG).toBe(`~/${file?.path}`);
    expect(file?.content.toString()).toBe(
      `//127.0.0.1:47821/registry/npm.corp.example:8443/:_authToken=\${ORCHESTRATE_GATEWAY_TOKEN}\n`,
    );
  });

  it('are told nothing where there is no registry', () => {
    expect([registryVariables({ ...access, registries: [] }), registryFiles({ ...access, registries: [] })]).toEqual([
      {},
      [],
    ]);
  });

  it('have variables with names that every shell passes on', () => {
    for (const name of Object.keys(registryVariables(access))) expect(name).toMatch(/^[A-Z_]+$/);
  });
});
