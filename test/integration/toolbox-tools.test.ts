// The toolbox serves tools in a real sandbox: what a hostile or clumsy agent does there neither stops it nor shows its token.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ToolboxConfig } from '../../src/toolbox/config.ts';
import type { ToolAnswer, Toolbox } from '../../src/toolbox/toolbox.ts';
import { type Alteration, type LiveSandbox, SandboxBench } from '../support/sandbox.ts';
import { GatewayEnd } from '../support/toolbox.ts';

const TOKEN = 'c'.repeat(64);
const MOUNT = '/run/orchestrate';
const never = new AbortController().signal;
const CONFIG = 'ORCHESTRATE_TOOLBOX=';

let bench: SandboxBench;
beforeAll(async () => {
  bench = await SandboxBench.open();
});
afterAll(async () => {
  await bench?.[Symbol.asyncDispose]();
});

let folder: string;
let gateway: GatewayEnd;
let toolbox: Toolbox;
let sandbox: LiveSandbox;
let n: number;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gateway-'));
  await chmod(folder, 0o755);
  gateway = await GatewayEnd.listen(path.join(folder, 'gateway.sock'), TOKEN);
  toolbox = gateway.toolbox();
  await chmod(gateway.socket, 0o666);
  sandbox = await bench.start('true', { alter: servingTools(folder), limits: { pids: 200 } });
  n = 0;
});
afterEach(async () => {
  await sandbox.discard();
  await gateway[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** As the run will configure it, with a folder of the test in place of the gateway's volume. */
function servingTools(source: string): Alteration {
  return (body) => {
    body.Env = (body.Env ?? []).map((variable) => {
      if (!variable.startsWith(CONFIG)) return variable;
      const config = JSON.parse(variable.slice(CONFIG.length)) as ToolboxConfig;
      const tools = { socket: `${MOUNT}/gateway.sock`, token: TOKEN };
      return `${CONFIG}${JSON.stringify({ ...config, argv: [], tools })}`;
    });
    body.HostConfig.Mounts?.push({ Type: 'bind', Source: source, Target: MOUNT, ReadOnly: true });
  };
}

function bash(command: string, timeoutMs = 60_000): Promise<ToolAnswer> {
  n += 1;
  return toolbox.call({ n, tool: 'bash', input: { command }, timeoutMs }, never);
}

function edit(input: Readonly<Record<string, unknown>>): Promise<ToolAnswer> {
  n += 1;
  return toolbox.call({ n, tool: 'edit', input, timeoutMs: 60_000 }, never);
}

const said = async (command: string) => (await bash(command)).text;

describe('in a sandbox', () => {
  it('tools run as the agent, in its workspace, and the patch is what they left', async () => {
    expect(await said('id -u; pwd; cat README.md')).toBe('61000\n/workspace\n# Sample\n');
    await edit({ command: 'str_replace', path: '/workspace/README.md', old_str: 'Sample', new_str: 'Changed' });
    void toolbox.finish().catch(() => {});
    const { exitCode, changed } = await sandbox.end();
    expect([exitCode, changed]).toEqual([0, ['README.md']]);
  });

  it('nothing that tools can read holds the token', async () => {
    await said('id');
    const { text } = await bash(
      'for f in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do tr "\\0" "\\n" <$f; done 2>/dev/null; cat /proc/1/maps /proc/1/environ; ls -l /proc/1/fd',
    );
    expect(text).toContain('HOME=');
    expect(text).toContain('Permission denied');
    expect(text).not.toContain(TOKEN);
    const viewed = await edit({ command: 'view', path: '/proc/1/environ' });
    expect(viewed).toMatchObject({ isError: true, text: expect.stringContaining('may not be accessed') });
  });

  it('a fork bomb is ended with its call, and leaves room for the next one', async () => {
    const bombed = await bash('bomb() { bomb | bomb & }; bomb; sleep 1000', 2_000);
    expect(bombed.isError).toBe(true);
    expect(Number(await said('ls -d /proc/[0-9]* | wc -l'))).toBeLessThan(20);
    expect(await said('echo still here')).toBe('still here\n');
  });

  it('whatever is killed, the next call finds tools again; process 1 cannot be stopped', async () => {
    await said('echo kept >file');
    await bash('kill -STOP 1; kill -9 1; kill -9 -1');
    expect(await said('cat file')).toBe('kept\n');
  });

  it('a call that stops the tools themselves comes back with its time-out', async () => {
    const stopped = await bash('kill -STOP -1; sleep 1000', 500);
    expect(stopped).toMatchObject({ isError: true, text: expect.stringContaining('did not answer in time') });
    expect(await said('echo back')).toBe('back\n');
  });

  it('SIGTERM ends all of it within the grace period', async () => {
    void bash('trap "" TERM; sleep 1000').catch(() => {});
    await gateway.session();
    await sandbox.container.stop({ t: 30 });
    expect((await sandbox.end()).exitCode).toBe(143);
  });
});
