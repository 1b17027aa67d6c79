/** A run of the built command line in the background, followed by its events. */

import { createInterface } from 'node:readline';
import { execa } from 'execa';
import type { RunEvent } from './endurance.ts';
import { CLI, type Scratch } from './scratch.ts';

export interface FollowedRun {
  readonly events: readonly RunEvent[];
  /** Of all its output so far. Rejects where it ends without, as `event` does. */
  said(text: string): Promise<void>;
  event(type: string): Promise<RunEvent>;
  /** The first event that is so. Rejects as `event` does. */
  when(isSo: (event: RunEvent) => boolean): Promise<RunEvent>;
  kill(signal: NodeJS.Signals): void;
  /** Its exit code. */
  readonly ended: Promise<number>;
}

/** @param flags further ones of `run` */
export function followedRun(
  scratch: Scratch,
  command: string,
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): FollowedRun {
  const child = execa(process.execPath, [CLI, 'run', '--json', '--engine-command', command, ...flags], {
    ...{ cwd: scratch.repository, env: { ...scratch.env, ...env }, extendEnv: false, reject: false, stdin: 'ignore' },
  });
  const lines: string[] = [];
  const events: RunEvent[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    events.push(JSON.parse(line) as RunEvent);
    for (const look of waiting) look();
  });
  const find = <Found>(of: () => Found | undefined): Promise<Found> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = of();
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      // Where it has come to that, this changes nothing any more.
      void child.then(({ stderr }) => reject(new Error(`it ended before that: ${stderr}`)));
    });
  return {
    events,
    said: async (text) => void (await find(() => lines.find((line) => line.includes(text)))),
    event: (type) => find(() => events.find((event) => event.type === type)),
    when: (isSo) => find(() => events.find(isSo)),
    kill: (signal) => void child.kill(signal),
    ended: child.then(({ exitCode, stderr }) => {
      if (exitCode === undefined) throw new Error(`it was killed: ${stderr}`);
      return exitCode;
    }),
  };
}
