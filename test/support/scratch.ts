/** A user for a test: a home of their own, a repository in a folder that goes away, and the built command line. */

import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { execa, type Options } from 'execa';

export const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');

/** Of what a command has said, enough to see where it hangs. */
const SAID_CHARACTERS = 4000;

export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Every hook that git knows on the client's side. */
const HOOKS = [
  'applypatch-msg',
  'pre-applypatch',
  'post-applypatch',
  'pre-commit',
  'pre-merge-commit',
  'prepare-commit-msg',
  'commit-msg',
  'post-commit',
  'pre-rebase',
  'post-checkout',
  'post-merge',
  'pre-push',
  'post-rewrite',
  'post-index-change',
  'reference-transaction',
  'fsmonitor-watchman',
];

export class Scratch implements AsyncDisposable {
  /** Commands at work, and the end of what each has said so far. */
  readonly #atWork = new Map<Pick<ChildProcess, 'kill' | 'spawnargs'>, string>();

  private constructor(
    readonly folder: string,
    readonly repository: string,
  ) {}

  /** A repository with `files` committed as the user's identity, below a temporary folder. */
  static async create(files: Readonly<Record<string, string>> = { 'README.md': '# Sample\n' }): Promise<Scratch> {
    const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-test-'));
    const repository = path.join(folder, 'repository');
    await mkdir(path.join(folder, 'home'));
    await mkdir(repository);
    const scratch = new Scratch(folder, repository);
    await scratch.git('init', '--quiet', '--initial-branch=main');
    await scratch.git('config', 'user.name', 'Test User');
    await scratch.git('config', 'user.email', 'user@example.invalid');
    await scratch.write(files);
    await scratch.git('add', '--all');
    await scratch.git('commit', '--quiet', '--allow-empty', '--message', 'start');
    return scratch;
  }

  get env(): Record<string, string> {
    const home = path.join(this.folder, 'home');
    const docker = process.env.DOCKER_HOST;
    return {
      PATH: process.env.PATH ?? '',
      HOME: home,
      XDG_CONFIG_HOME: path.join(home, '.config'),
      XDG_STATE_HOME: path.join(home, '.state'),
      GIT_CONFIG_NOSYSTEM: '1',
      ...(docker === undefined ? {} : { DOCKER_HOST: docker }),
    };
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.repository, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, content);
    }
  }

  /** Standard output of git in the repository, without the final newline. The repository's hooks do not run. */
  async git(...args: string[]): Promise<string> {
    const { stdout } = await execa('git', ['-c', 'core.hooksPath=/dev/null', ...args], {
      cwd: this.repository,
      env: this.env,
      extendEnv: false,
    });
    return stdout;
  }

  /** Runs the built command line in the repository; never throws for its exit code. */
  async orchestrate(args: readonly string[], options: Options = {}): Promise<Answer> {
    const command = execa(process.execPath, [CLI, ...args], {
      cwd: this.repository,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      ...options,
      env: { ...this.env, ...options.env },
    });
    this.#atWork.set(command, '');
    for (const stream of [command.stdout, command.stderr]) {
      stream?.on('data', (said) => {
        this.#atWork.set(command, `${this.#atWork.get(command) ?? ''}${said}`.slice(-SAID_CHARACTERS));
      });
    }
    const result = await command;
    this.#atWork.delete(command);
    return {
      exitCode: result.exitCode ?? -1,
      stdout: String(result.stdout ?? ''),
      stderr: String(result.stderr ?? ''),
    };
  }

  /** The same, but a non-zero exit code fails the test with what was said. */
  async must(args: readonly string[], options: Options = {}): Promise<string> {
    const answer = await this.orchestrate(args, options);
    if (answer.exitCode !== 0) {
      throw new Error(
        `orchestrate ${args.join(' ')} ended with ${answer.exitCode}\n${answer.stdout}\n${answer.stderr}`,
      );
    }
    return answer.stdout;
  }

  /** Submits a task for the demo engine, whose agent runs the script. */
  async submitScript(title: string, script: string, ...flags: readonly string[]): Promise<void> {
    await this.must(['submit', asDescription(script), '--title', title, ...flags]);
  }

  /** The same for several, all at once, by title. @param needs title → title of what it depends on */
  async submitScripts(
    scripts: Readonly<Record<string, string>>,
    needs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const tasks = Object.entries(scripts).map(([title, script]) => ({
      ...{ key: title.toLowerCase(), title, description: asDescription(script) },
      dependsOn: needs[title] === undefined ? [] : [needs[title].toLowerCase()],
    }));
    await this.submitBatch(...tasks);
  }

  /** Submits tasks at once, each as a line of a batch says it. */
  async submitBatch(...tasks: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    const file = path.join(this.folder, 'batch.jsonl');
    await writeFile(file, tasks.map((task) => JSON.stringify(task)).join('\n'));
    await this.must(['submit', '--batch', file]);
  }

  /** The bytes that a command prints, which need not be text. */
  async bytes(args: readonly string[]): Promise<Buffer> {
    const { stdout } = await execa(process.execPath, [CLI, ...args], {
      cwd: this.repository,
      extendEnv: false,
      stdin: 'ignore',
      env: this.env,
      encoding: 'buffer',
      stripFinalNewline: false,
      maxBuffer: Number.POSITIVE_INFINITY,
    });
    return Buffer.from(stdout);
  }

  /** The one JSON document that a command prints. */
  async json<T>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.must([...args, '--json'])) as T;
  }

  /** Sets every git hook to leave a marker; returns the folder that must stay empty. */
  async setMarkerHooks(): Promise<string> {
    const markers = path.join(this.folder, 'markers');
    await mkdir(markers);
    for (const hook of HOOKS) {
      const file = path.join(this.repository, '.git/hooks', hook);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, `#!/bin/sh\ntouch '${markers}/${hook}'\n`, { mode: 0o755 });
    }
    return markers;
  }

  /** Removes the folder and whatever the repository has in Docker; ends commands that are still at work, and tells of them. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const [command, said] of this.#atWork) {
      console.error(`still at work when its test ended: ${command.spawnargs.slice(1).join(' ')}\n${said}`);
      command.kill('SIGKILL');
    }
    const docker = new Docker();
    const installation = await this.installation();
    if (installation !== null) {
      const filters = { label: [`orchestrate=${installation}`] };
      for (const { Id } of await docker.listContainers({ all: true, filters })) {
        await docker.getContainer(Id).remove({ force: true, v: true });
      }
      for (const { Name } of (await docker.listVolumes({ filters })).Volumes) await docker.getVolume(Name).remove();
      for (const { Id } of await docker.listImages({ filters })) await docker.getImage(Id).remove();
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Value of the `orchestrate` label of the repository's Docker objects; null before the first command. */
  async installation(): Promise<string | null> {
    const { openStateForReading } = await import('../../src/state/state.ts');
    const state = openStateForReading(path.join(this.repository, '.git/orchestrate'));
    const installation = state?.installation ?? null;
    state?.close();
    return installation;
  }
}

/** Of a task whose agent runs the script, in the demo engine. */
function asDescription(script: string): string {
  return `\`\`\`sh\n${script}\n\`\`\`\n`;
}
