// Calls to the toolbox are done once and answered again, whatever is lost between coordinator and sandbox.

import { readFileSync, watch } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ToolAnswer } from '../../src/toolbox/toolbox.ts';
import { Ledger } from '../../src/toolbox/tools/ledger.ts';
import { Markers } from '../../src/toolbox/tools/markers.ts';
import { GatewayEnd, LocalToolbox } from '../support/toolbox.ts';

const LONG_MS = 60_000;
const never = new AbortController().signal;

const bash = (toolbox: LocalToolbox, n: number, command: string) =>
  toolbox.call({ n, tool: 'bash', input: { command }, timeoutMs: LONG_MS });

/** Resolves when a file has been written in the workspace. */
async function appears(toolbox: LocalToolbox, name: string): Promise<void> {
  const watcher = watch(toolbox.inWorkspace());
  try {
    await new Promise<void>((resolve) => {
      const look = () => {
        try {
          readFileSync(toolbox.inWorkspace(name));
          resolve();
        } catch {
          // Not yet.
        }
      };
      watcher.on('change', look);
      look();
    });
  } finally {
    watcher.close();
  }
}

describe('the toolbox', () => {
  it('does a call once, although its session is lost again and again before the answer', async () => {
    await using toolbox = await LocalToolbox.start();
    await bash(toolbox, 1, 'true');
    const answer = bash(toolbox, 2, 'echo x >>count; until [ -e go ]; do sleep 0.01; done; echo done');
    await appears(toolbox, 'count');
    for (let cuts = 0; cuts < 3; cuts += 1) {
      const { connections } = toolbox.gateway;
      toolbox.gateway.cut();
      await toolbox.gateway.session();
      expect(toolbox.gateway.connections).toBe(connections + 1);
    }
    const other = bash(toolbox, 2, 'never looked at');
    await writeFile(toolbox.inWorkspace('go'), '');
    expect(await answer).toEqual({ text: 'done\n', isError: false });
    expect(await other).toEqual(await answer);
    expect(await bash(toolbox, 2, 'echo again')).toEqual(await answer);
    expect(await readFile(toolbox.inWorkspace('count'), 'utf8')).toBe('x\n');
  });

  it('dials until it is let in, and again when the gateway has been away', async () => {
    await using toolbox = await LocalToolbox.start();
    await bash(toolbox, 1, 'x=1');
    await toolbox.gateway[Symbol.asyncDispose]();
    {
      await using strange = await GatewayEnd.listen(toolbox.gateway.socket, 'b'.repeat(64));
      await strange.refusal();
      expect(strange.connections).toBe(0);
    }
    await using gateway = await GatewayEnd.listen(toolbox.gateway.socket, toolbox.gateway.token);
    const input = { command: 'echo "$x"' };
    expect((await gateway.toolbox().call({ n: 2, tool: 'bash', input, timeoutMs: LONG_MS }, never)).text).toBe('1\n');
  });

  it('refuses numbers out of order, and those it was told to forget', async () => {
    await using toolbox = await LocalToolbox.start();
    await expect(bash(toolbox, 2, 'true')).rejects.toMatchObject({
      code: 'TOOL_CALL_OUT_OF_ORDER',
      detail: { next: 1 },
    });
    await bash(toolbox, 1, 'true');
    await toolbox.acknowledge(1);
    await expect(bash(toolbox, 1, 'true')).rejects.toMatchObject({ code: 'TOOL_CALL_FORGOTTEN', detail: { next: 2 } });
    await expect(toolbox.call({ n: 2, tool: 'other' as 'bash', input: {}, timeoutMs: 1 })).rejects.toMatchObject({
      code: 'TOOL_BAD_CALL',
    });
  });

  it('starts the tools again when they were killed, and says so', async () => {
    await using toolbox = await LocalToolbox.start();
    await bash(toolbox, 1, 'echo kept >file; x=1');
    const killed = await bash(toolbox, 2, 'kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $(ps -o ppid= -p $$)))');
    expect(killed).toMatchObject({ isError: true });
    expect(killed.text).toContain('had to be started again');
    expect((await bash(toolbox, 3, 'cat file; echo "x=$x"')).text).toBe('kept\nx=\n');
  });

  it('keeps its token to itself', async () => {
    await using toolbox = await LocalToolbox.start();
    const { text } = await bash(toolbox, 1, 'env; cat /proc/self/environ; tr "\\0" " " </proc/$PPID/environ');
    expect(text).toContain('HOME=');
    expect(text).not.toContain(toolbox.gateway.token);
    expect(text).not.toContain('ORCHESTRATE_TOOLBOX');
  });

  it('ends with exit code 0 when the agent is done', async () => {
    await using toolbox = await LocalToolbox.start();
    await bash(toolbox, 1, 'sleep 1000 &');
    await toolbox.finish();
    expect(await toolbox.ended).toBe(0);
  });
});

describe('the ledger', () => {
  const answer: ToolAnswer = { text: 'ok', isError: false };

  it('works each number once, in order, whatever is asked how often', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 40 }), async (asked) => {
        const ledger = new Ledger();
        const worked: number[] = [];
        await Promise.all(
          asked.map(async (n) => {
            try {
              const work = async () => {
                worked.push(n);
                return answer;
              };
              await ledger.call(n, work);
            } catch {
              // Out of order.
            }
          }),
        );
        expect(worked).toEqual(worked.map((_, index) => index + 1));
      }),
    );
  });

  it('keeps a bounded number of answers', async () => {
    const ledger = new Ledger();
    for (let n = 1; n <= 64; n += 1) await ledger.call(n, async () => answer);
    expect(() => ledger.call(65, async () => answer)).toThrow('acknowledged');
    ledger.acknowledge(10);
    expect(await ledger.call(65, async () => answer)).toBe(answer);
  });
});

describe('markers', () => {
  it('are found whatever the chunks are, and nothing of the output is lost', () => {
    const nonce = 'f00d'.repeat(8);
    const piece = fc.oneof(
      fc.constant(`\x1e${nonce} done 1 0 /a b\x1e`),
      fc.constant(`\x1e${nonce.slice(0, 9)}`),
      fc.constant('\x1e'),
      fc.string({ maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (pieces, sizes) => {
        const wire = Buffer.from(`${pieces.join('')}end`);
        let output = '';
        let markers = 0;
        const finder = new Markers(
          nonce,
          (bytes) => {
            output += bytes.toString('latin1');
          },
          (text) => {
            expect(text).toBe('done 1 0 /a b');
            markers += 1;
          },
        );
        for (let at = 0, turn = 0; at < wire.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          finder.push(wire.subarray(at, at + size));
          at += size;
        }
        const marker = `\x1e${nonce} done 1 0 /a b\x1e`;
        expect(markers).toBe(wire.toString('latin1').split(marker).length - 1);
        expect(output).toBe(wire.toString('latin1').replaceAll(marker, ''));
      }),
    );
  });
});
