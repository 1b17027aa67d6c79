/**
 * A Docker engine beside the machine's own, for tests that restart, break or fill one: nobody else is on it. Needs root.
 * It has its own folder, its own containerd and a bridge of its own, which the machine's engine makes and removes.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import Docker from 'dockerode';
import { execa } from 'execa';
import { until } from './killed-run.ts';

export class SecondEngine implements AsyncDisposable {
  readonly docker: Docker;
  #daemon: ChildProcess | null = null;

  private constructor(
    readonly folder: string,
    readonly bridge: string,
  ) {
    this.docker = new Docker({ socketPath: this.socket });
  }

  /** @param configuration its `daemon.json`: `{ 'live-restore': true }` keeps containers running while it is away */
  static async start(configuration: Readonly<Record<string, unknown>> = {}): Promise<SecondEngine> {
    const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-engine-'));
    await writeFile(path.join(folder, 'daemon.json'), JSON.stringify(configuration));
    // At most 15 letters. Without one of its own (`none` is worse) it would take down the bridge of the machine's engine.
    const bridge = `ote-${randomBytes(4).toString('hex')}`;
    await new Docker().createNetwork({
      ...{ Name: bridge, Driver: 'bridge', Labels: { 'orchestrate.test': '' } },
      Options: { 'com.docker.network.bridge.name': bridge },
    });
    const engine = new SecondEngine(folder, bridge);
    try {
      await engine.up();
      return engine;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      await new Docker().getNetwork(bridge).remove();
      throw error;
    }
  }

  get socket(): string {
    return path.join(this.folder, 'docker.sock');
  }

  /** For the environment of what is to use it. */
  get dockerHost(): string {
    return `unix://${this.socket}`;
  }

  /** Brings images of the machine's engine in, by name or id. */
  async load(...images: readonly string[]): Promise<void> {
    const saving = execa('docker', ['save', ...images], { stdout: 'pipe', buffer: false });
    const loading = execa('docker', ['--host', this.dockerHost, 'load', '--quiet'], { stdin: 'pipe' });
    await Promise.all([pipeline(saving.stdout, loading.stdin), saving, loading]);
  }

  /** Starts it and waits until it answers. */
  async up(): Promise<void> {
    const { folder, bridge, socket } = this;
    const at = (name: string): string => path.join(folder, name);
    const log = await open(at('log'), 'a');
    const daemon = spawn(
      'dockerd',
      [
        ...['--config-file', at('daemon.json'), '--data-root', at('data'), '--exec-root', at('exec')],
        ...['--pidfile', at('pid'), '--host', `unix://${socket}`, '--bridge', bridge],
        ...['--iptables=false', '--ip-masq=false'],
      ],
      { stdio: ['ignore', 'ignore', log.fd] },
    );
    await log.close();
    this.#daemon = daemon;
    await until(async () => {
      if (daemon.exitCode !== null) {
        throw new Error(`the second engine did not start: ${(await readFile(at('log'), 'utf8')).slice(-2000)}`);
      }
      return this.docker.ping().then(
        () => true,
        () => false,
      );
    });
  }

  /** Ends it as its service would, and waits for that: its containers end too, unless it was told to keep them. */
  async down(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = null;
    if (daemon === null || daemon.exitCode !== null) return;
    const ended = once(daemon, 'exit');
    daemon.kill();
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that was told to keep its containers has them running still.
    if (this.#daemon === null) await this.up();
    for (const { Id } of await this.docker.listContainers({ all: true })) {
      await this.docker.getContainer(Id).remove({ force: true, v: true });
    }
    await this.down();
    // One with live-restore leaves its folder mounted on itself.
    await execa('umount', ['--lazy', path.join(this.folder, 'data')], { reject: false });
    await rm(this.folder, { recursive: true, force: true });
    await new Docker().getNetwork(this.bridge).remove();
  }
}
