/** What folders take on the disk, by `du`: iterative at any depth, blocks and not apparent sizes. */

import { start } from './spawn.ts';

/** Bytes by folder. What vanishes meanwhile (agents are at work in there) does not matter; a missing folder has no entry. */
export async function diskUsage(folders: readonly string[], signal: AbortSignal): Promise<Map<string, number>> {
  if (folders.length === 0) return new Map();
  const du = start(['du', '-s', '-x', '-0', '--block-size=1', '--', ...folders], { cwd: '/', signal });
  du.stdin.end();
  du.stderr.resume();
  const chunks: Buffer[] = [];
  du.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve, reject) => {
    du.once('error', reject);
    du.once('close', resolve);
  });
  const lines = Buffer.concat(chunks).toString('utf8').split('\0').slice(0, -1);
  return new Map(
    lines.map((line) => {
      const tab = line.indexOf('\t');
      return [line.slice(tab + 1), Number(line.slice(0, tab))];
    }),
  );
}
