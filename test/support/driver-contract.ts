/** What the Docker driver promises of every kind of host, wherever its engine is and however it is reached. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import path from 'node:path';
import type Docker from 'dockerode';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayClient } from '../../src/gateway/client.ts';
import { importChanges } from '../../src/git/quarantine.ts';
import { findRepository } from '../../src/git/repository.ts';
import type { Collection } from '../../src/sandbox/sandbox.ts';
import type { AttemptId, ObjectId } from '../../src/types.ts';
import { access, configuration, KEY, MODEL } from './gateway.ts';
import { hurried, look, MIB, PROBE, PROMISES, probeFiles } from './promises.ts';
import { type LiveSandbox, SandboxBench } from './sandbox.ts';

/** A host as a test has it: its engine, and undefined for the machine's own. */
export type OpenEngine = () => Promise<Docker | undefined>;

const FILES = {
  ...{ 'kept.txt': 'kept\n', 'gone.txt': 'gone\n', 'file-then-folder': 'file\n', 'folder/a': 'a\n', 'folder/b': 'b\n' },
  ...{ 'crlf.txt': 'one\ntwo\n', '.gitattributes': '* text=auto\n', 'was-a-link/x': 'x\n' },
};

/** All that a change can be. Runs in a sandbox and, to say what comes of it, here. */
const EDITS = String.raw`set -e
rm gone.txt file-then-folder
mkdir -p file-then-folder/deep empty
echo x >file-then-folder/deep/x
rm -r was-a-link folder/b
ln -s kept.txt was-a-link
ln -s /etc/passwd absolute
ln -s nowhere dangling
printf 'more\r\n' >>crlf.txt
i=0; while [ $i -lt 256 ]; do printf "\\$(printf %03o $i)"; i=$((i+1)); done >every-byte
head -c 3000000 /dev/zero | tr '\0' '\377' >large.bin
printf '#!/bin/sh\necho run\n' >run.sh; chmod 755 run.sh
mkdir -p 'ünï — cødé/日本語'; echo y >'ünï — cødé/日本語/🦊.txt'
echo z >"$(printf 'not-utf8-\377\376')"; echo w >'with "quotes" and	tab'
echo secret >unreadable; chmod 000 unreadable
mkdir closed; echo c >closed/c; chmod 000 closed
mkdir -p nested; git init -q nested; echo n >nested/n`;

/**
 * The same for every host. What comes out of sandboxes is compared with what git here makes of the same edits.
 * @param prepare once; what it gives is disposed of by whoever made it
 */
export function driverContract(name: string, prepare: OpenEngine): void {
  describe(name, () => {
    let bench: SandboxBench;
    let expected: ObjectId;

    beforeAll(async () => {
      bench = await SandboxBench.open({ files: { ...FILES, ...(await probeFiles()) }, engine: await prepare() });
      expected = await editedHere(bench);
    });
    afterAll(() => bench?.[Symbol.asyncDispose]());

    it('keeps every promise of a sandbox', async () => {
      const seen = await look(bench);
      const broken = PROMISES.filter(({ holds }) => !holds(seen, {})).map((promise) => promise.name);
      expect(broken, JSON.stringify(seen)).toEqual([]);
    });

    it('brings out all that an agent printed, and how it ended', async () => {
      let printed = '';
      const end = await bench.run('seq 1 200000; echo wrong >&2; exit 7', {
        onOutput: ({ data }) => {
          printed += data.toString();
        },
      });
      expect(end).toMatchObject({ exitCode: 7, outOfMemory: false, changed: [] });
      const numbers = Array.from({ length: 200_000 }, (_, at) => `${at + 1}\n`).join('');
      expect(printed === `${numbers}wrong\n`, `${printed.length} bytes`).toBe(true);
    });

    it('brings out every change, byte for byte', async () => {
      await using live = await started(bench, EDITS);
      const ended = await live.running.ended();
      expect(ended.exitCode, live.output()).toBe(0);
      expect(await treeOf(bench, await ended.collect())).toBe(expected);
    });

    it('takes a snapshot of an agent at work, which goes on', async () => {
      await using live = await started(
        bench,
        'echo 1 >first; echo ready; until [ -f /tmp/on ]; do sleep 0.1; done; echo 2 >second',
      );
      await live.printed('ready');
      const seen = await live.running.snapshot(async ({ changes, tree }) => {
        const paths: string[] = [];
        for await (const change of changes) {
          paths.push(change.path.toString());
          if (change.kind === 'file') for await (const _ of change.content);
        }
        await tree;
        return paths;
      });
      expect(seen).toEqual(['first']);
      const exec = await live.container.exec({ Cmd: ['/bin/touch', '/tmp/on'] });
      await exec.start({ Detach: true });
      expect(await live.end()).toMatchObject({ exitCode: 0, changed: ['first', 'second'] });
    });

    it('says that the memory was not enough', async () => {
      const end = await bench.run([...PROBE, 'memory', '24'], { limits: { memoryBytes: 128 * MIB } });
      expect(end).toMatchObject({ exitCode: 137, outOfMemory: true });
    });

    it('ends an agent at its deadline, and one that is killed, and keeps their work', async () => {
      const late = await bench.run('echo w >work; exec sleep 600', { alter: hurried });
      expect(late).toMatchObject({ exitCode: 124, outOfMemory: false, changed: ['work'] });
      await using live = await started(bench, 'echo w >work; echo ready; exec sleep 600');
      await live.printed('ready');
      await live.running.kill();
      expect(await live.end()).toMatchObject({ exitCode: 137, outOfMemory: false, changed: ['work'] });
    });

    it('hands over what runs to whoever asks for it', async () => {
      await using live = await started(
        bench,
        'echo ready; until [ -f /tmp/on ]; do sleep 0.1; done; echo w >work; exit 3',
      );
      await live.printed('ready');
      const { Name: containerName, Config: config } = await live.container.inspect();
      const attempt = config.Labels['orchestrate.attempt'] as AttemptId;
      const left = { attempt, containerName: containerName.slice(1), tree: bench.base.tree, diskBytes: MIB };
      const adopted = await bench.host.adopt(left);
      const output: Buffer[] = [];
      const followed = (async () => {
        for await (const { data } of adopted?.sandbox.output() ?? []) output.push(data);
      })();
      const exec = await live.container.exec({ Cmd: ['/bin/touch', '/tmp/on'] });
      await exec.start({ Detach: true });
      const ended = await adopted?.sandbox.ended();
      await followed;
      expect([ended?.exitCode, Buffer.concat(output).toString()]).toEqual([3, 'ready\n']);
      const missing = { ...left, attempt: 'nobody.1' as AttemptId, containerName: `${left.containerName}-nobody` };
      expect(await bench.host.adopt(missing)).toBeNull();
    });

    it('reaches a model through the gateway, which is told no key', async () => {
      await using model = await Model.start();
      const dial = async () => {
        const socket = connect(model.port, '127.0.0.1');
        await once(socket, 'connect');
        return socket;
      };
      await using gateway = new GatewayClient(await bench.host.openGateway({ dials: false }), dial);
      const { upstreams, ...rest } = configuration(`http://127.0.0.1:${model.port}`);
      await gateway.configure({
        ...{ ...rest, egressVia: 'coordinator' },
        upstreams: upstreams.map((upstream) => ({ ...upstream, via: 'coordinator' })),
      });
      const entry = access('any.1');
      await gateway.open(entry);
      const body = JSON.stringify({ model: MODEL, max_tokens: 1, messages: [{ role: 'user', content: 'hi' }] });
      const ask = `curl -sS -H 'x-api-key: ${entry.token}' -H 'content-type: application/json' -d '${body}' http://127.0.0.1:47821/v1/messages`;
      const end = await bench.run(ask, { hasGateway: true });
      expect(JSON.parse(end.output)).toMatchObject({ content: [{ text: 'hello' }] });
      expect(model.keys).toEqual([KEY]);
      expect((await bench.run(`${ask} -H 'x-api-key: guessed'`, { hasGateway: true })).output).not.toContain('hello');
    });

    it('leaves nothing of a sandbox that was discarded', async () => {
      const filters = { label: [`orchestrate=${bench.installation}`] };
      const containers = await bench.docker.listContainers({ all: true, filters });
      const { Volumes: volumes } = await bench.docker.listVolumes({ filters });
      const kinds = [...containers, ...(volumes ?? [])].map(({ Labels: labels }) => labels['orchestrate.kind']);
      expect(kinds.sort()).toEqual(['gateway', 'gateway', 'keeper', 'store']);
    });
  });
}

/** Discards itself, whatever its end. */
async function started(bench: SandboxBench, command: string): Promise<LiveSandbox & AsyncDisposable> {
  const live = await bench.start(command);
  return { ...live, [Symbol.asyncDispose]: () => live.discard() };
}

/** As the product takes a result in: stored here, under the id that the other side says. */
async function treeOf(bench: SandboxBench, collection: Collection): Promise<ObjectId> {
  const repository = await findRepository(bench.scratch.repository, bench.scratch.env);
  await using result = await importChanges(repository, bench.base, collection.changes);
  expect(await collection.tree).toBe(result.tree);
  return result.tree;
}

/** The tree that git here makes of the edits, without anybody's attributes and without nested repositories' own data. */
async function editedHere(bench: SandboxBench): Promise<ObjectId> {
  const { folder, repository, env } = bench.scratch;
  const git = {
    ...env,
    GIT_DIR: path.join(folder, 'edited.git'),
    GIT_OBJECT_DIRECTORY: path.join(repository, '.git/objects'),
  };
  const script = `set -e
    mkdir edited; cd edited
    cp -R '${repository}/.' . && rm -rf .git
    (${EDITS}
    )
    rm -rf nested/.git
    git init -q --bare "$GIT_DIR"
    mkdir -p "$GIT_DIR/info"; printf '* -text -eol\\n' >"$GIT_DIR/info/attributes"
    export GIT_WORK_TREE=.
    git add -A
    git write-tree`;
  const { stdout } = await execa('bash', ['-c', script], { cwd: folder, env: git, extendEnv: false });
  return stdout.split('\n').at(-1) as ObjectId;
}

/** Answers every request with a message, and keeps the keys that it was shown. */
class Model implements AsyncDisposable {
  readonly keys: unknown[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.keys.push(request.headers['x-api-key']);
      request.resume().on('end', () => {
        const usage = { input_tokens: 1, output_tokens: 1 };
        const message = {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: MODEL,
          stop_reason: 'end_turn',
          usage,
        };
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ ...message, content: [{ type: 'text', text: 'hello' }] }));
      });
    });
  }

  static async start(): Promise<Model> {
    const model = new Model();
    model.#server.listen(0, '127.0.0.1');
    await once(model.#server, 'listening');
    return model;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
