/**
 * A Docker engine beside the machine's own, for tests that restart, break or fill one: nobody else is on it. Needs root.
 * It has its own folder, its own containerd and a bridge of its own, which the machine's engine makes and removes.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import Docker from 'dockerode';
import { execa } from 'execa';
import { until } from './killed-run.ts';

export class SecondEngine implements AsyncDisposable {
  readonly docker: Docker;
  /** The machine's. */
  readonly #first = new Docker();
  #daemon: ChildProcess | null = null;

  private constructor(
    readonly folder: string,
    readonly bridge: string,
  ) {
    this.docker = new Docker({ socketPath: this.socket });
  }

  /**
   * @param configuration its `daemon.json`: `{ 'live-restore': true }` keeps containers running while it is away
   * @param diskBytes it has a disk of its own, of that size, for tests that fill it; null: its folder is on the machine's
   */
  static async start(
    configuration: Readonly<Record<string, unknown>> = {},
    diskBytes: number | null = null,
  ): Promise<SecondEngine> {
    const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-engine-'));
    await writeFile(path.join(folder, 'daemon.json'), JSON.stringify(configuration));
    // At most 15 letters. Without one of its own (`none` is worse) it would take down the bridge of the machine's engine.
    const engine = new SecondEngine(folder, `ote-${randomBytes(4).toString('hex')}`);
    try {
      await engine.#first.createNetwork({
        ...{ Name: engine.bridge, Driver: 'bridge', Labels: { 'orchestrate.test': '' } },
        Options: { 'com.docker.network.bridge.name': engine.bridge },
      });
      await mkdir(engine.data);
      if (diskBytes !== null) await engine.#mountDisk(diskBytes);
      await engine.up();
      return engine;
    } catch (error) {
      await engine.#remove();
      throw error;
    }
  }

  /** Its folder, on the disk that it may have. */
  get data(): string {
    return path.join(this.folder, 'data');
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
    const { folder, data, bridge, socket } = this;
    const at = (name: string): string => path.join(folder, name);
    const log = await open(at('log'), 'a');
    const daemon = spawn(
      'dockerd',
      [
        ...['--config-file', at('daemon.json'), '--data-root', data, '--exec-root', at('exec')],
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

  /** It is started anew with another `daemon.json`. */
  async configure(configuration: Readonly<Record<string, unknown>>): Promise<void> {
    await this.down();
    await writeFile(path.join(this.folder, 'daemon.json'), JSON.stringify(configuration));
    await this.up();
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
      // Whoever uses it may be removing the same.
      await this.docker
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch(() => {});
    }
    await this.down();
    await this.#remove();
  }

  /** Leaves of its own disk that part free. Returns how to give the rest back. */
  async fill(part: number): Promise<() => Promise<void>> {
    const { blocks, bavail, bsize } = await statfs(this.data);
    const file = path.join(this.data, 'full');
    await execa('fallocate', ['--length', `${Math.floor((bavail - part * blocks) * bsize)}`, file]);
    return () => rm(file);
  }

  async #mountDisk(bytes: number): Promise<void> {
    const image = path.join(this.folder, 'disk');
    await (await open(image, 'w')).close();
    await truncate(image, bytes);
    await execa('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1', image]);
    await execa('mount', ['-o', 'loop', image, this.data]);
  }

  async #remove(): Promise<void> {
    // Once for its disk; one with live-restore leaves its folder mounted on itself.
    for (let times = 0; times < 2; times += 1) await execa('umount', ['--lazy', this.data], { reject: false });
    await rm(this.folder, { recursive: true, force: true });
    await this.#first.getNetwork(this.bridge).remove();
  }
}
