// A private registry of the settings: packages are installed, and its token is nowhere but in what the registry is asked.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canaryPlaces } from '../support/canary.ts';
import { makeCertificate } from '../support/certificates.ts';
import { Origin } from '../support/egress.ts';
import { type Answer, Scratch } from '../support/scratch.ts';

const TOKEN = 'sk-test-canary-7e21c95b03ad468f';
const INSTALL =
  'npm install --no-audit --no-fund --registry=http://127.0.0.1:47821/registry/$REGISTRY/ @corp/thing@1.0.0';

let scratch: Scratch;
let registry: Origin;
let certificate: string;
let place: string;

beforeEach(async () => {
  scratch = await Scratch.create({ 'package.json': '{"name":"sample"}\n', '.gitignore': 'node_modules/\n' });
  const tarball = await packed({
    'package/package.json': '{"name":"@corp/thing","version":"1.0.0"}',
    'package/x': 'hi',
  });
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  const pair = await makeCertificate('DNS:localhost');
  certificate = path.join(scratch.folder, 'authority.pem');
  await writeFile(certificate, pair.cert);
  registry = await Origin.start(pair, (request, response) => {
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return response.writeHead(401).end();
    if (request.url?.endsWith('.tgz')) return response.writeHead(200).end(tarball);
    const dist = { tarball: `https://${place}/@corp/thing/-/thing-1.0.0.tgz`, integrity };
    const versions = { '1.0.0': { name: '@corp/thing', version: '1.0.0', dist } };
    const document = { name: '@corp/thing', 'dist-tags': { latest: '1.0.0' }, versions };
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
  });
  place = `localhost:${registry.port}`;
  const folder = path.join(scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate');
  await mkdir(folder, { recursive: true });
  const engines = { leaky: { command: 'env', env: ['CORP_TOKEN'] } };
  const settings = { registries: { [place]: { tokenEnv: 'CORP_TOKEN' } }, engines };
  await writeFile(path.join(folder, 'config.yaml'), JSON.stringify(settings));
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

async function packed(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const folder = path.join(scratch.folder, 'packed');
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
  await execa('tar', ['-czf', '../packed.tgz', 'package'], { cwd: folder });
  return readFile(path.join(scratch.folder, 'packed.tgz'));
}

/** The coordinator makes the connections, as it does wherever there is a proxy: the registry is on its own machine. */
function run(args: readonly string[], token: string | undefined = TOKEN): Promise<Answer> {
  const network = { HTTPS_PROXY: 'http://127.0.0.1:9', NODE_EXTRA_CA_CERTS: certificate };
  const env = { ...network, ...(token === undefined ? {} : { CORP_TOKEN: token }) };
  return scratch.orchestrate(['run', ...args], { env });
}

describe('a private registry', () => {
  it('gives its packages to the set-up and to agents, and its token to nobody', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    const install = INSTALL.replace('$REGISTRY', place);
    const range = `${place}=127.0.0.1/32`;
    const agent = `cat node_modules/@corp/thing/x && rm -r node_modules ~/.npm && ${install} && env && cat ~/.orchestrate-npmrc package-lock.json node_modules/@corp/thing/x`;
    const answer = await run([
      ...['--setup', install, '--setup-allow', range, '--network', 'allowlist', '--allow', range],
      ...['--engine-command', agent],
    ]);
    expect(answer, answer.stderr).toMatchObject({ exitCode: 0 });
    const log = await scratch.must(['logs', 'first', '--raw']);
    expect(log).toMatch(/^hi[\s\S]*hi$/);
    // What is committed with the lock file is good everywhere.
    expect(log).toContain(`"resolved": "https://${place}/@corp/thing/-/thing-1.0.0.tgz"`);
    const fetched = registry.requests.filter(({ url }) => url.endsWith('.tgz'));
    expect(fetched).toHaveLength(2);
    for (const { headers } of registry.requests) expect(headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(await canaryPlaces(scratch, TOKEN)).toEqual([]);
    expect(answer.stdout + answer.stderr + log).not.toContain(TOKEN);
  });

  it('without its token stops a run that could ask it before anything is started, and no other run', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    const refused = await run(['--setup', 'true', '--engine-command', 'true', '--json'], '');
    expect(refused).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('CORP_TOKEN') });
    expect(await run(['--engine-command', 'true'], '')).toMatchObject({ exitCode: 0 });
  });
  it('has a token that no engine is given by name', async () => {
    const refused = await run(['--dry-run', '--engine', 'leaky']);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('CORP_TOKEN') });
  });
});
