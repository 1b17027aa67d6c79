/** Keeps the machine from going to sleep while nobody touches it, where the system has a program for that. */

import { type ChildProcess, spawn } from 'node:child_process';

/** Null: the system has none that we know. What it starts ends with its standard input, or with this process. */
function programFor(platform: NodeJS.Platform, pid: number): readonly [string, ...string[]] | null {
  if (platform === 'darwin') return ['caffeinate', '-i', '-w', String(pid)];
  if (platform !== 'linux') return null;
  const why = ['--who=orchestrate', '--why=agents are at work'];
  // `cat` lives as long as the pipe from us: the kernel closes that whatever we die of.
  return ['systemd-inhibit', '--what=sleep:idle', '--mode=block', ...why, 'cat'];
}

export interface KeepAwake {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly pid: number;
  /** Called once where sleep is not prevented, or not any longer, with the reason in a few words. */
  onAsleep(why: string): void;
}

/** The returned function lets the machine sleep again. */
export function keepAwake({ env, platform, pid, onAsleep }: KeepAwake): () => void {
  const command = programFor(platform, pid);
  if (command === null) {
    onAsleep(`there is no way known on ${platform}`);
    return () => {};
  }
  const [file, ...args] = command;
  // A session of its own: a Ctrl-C that is meant for us must not end it.
  const child = spawn(file, args, { env, detached: true, stdio: ['pipe', 'ignore', 'pipe'] });
  let isOver = false;
  let said = '';
  const fail = (why: string): void => {
    if (isOver) return;
    isOver = true;
    onAsleep(why);
  };
  child.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(0, 500);
  });
  child.stdin.on('error', () => {});
  child.once('error', () => fail(`${file} cannot be started`));
  child.once('close', () => fail(said.trim().split('\n')[0] || `${file} has ended`));
  letGo(child);
  return () => {
    isOver = true;
    child.stdin.end();
    // It takes no notice of its input.
    if (platform === 'darwin') child.kill();
  };
}

/** It is no reason for this process to go on. */
function letGo(child: ChildProcess): void {
  child.unref();
  for (const stream of [child.stdin, child.stderr]) {
    if (stream !== null && 'unref' in stream && typeof stream.unref === 'function') stream.unref();
  }
}
