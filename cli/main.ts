#!/usr/bin/env node
/** Entry: catches everything, prints it once, sets the exit code. Loads next to nothing before it knows what is asked. */

import { readFileSync } from 'node:fs';
import { onStreamError } from './lost-streams.ts';

const argv = process.argv.slice(2);

if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  process.stdout.write(`${version()}\n`);
} else {
  // A reader that went away (`| head`) is no failure.
  process.stdout.on('error', onStreamError);
  process.stderr.on('error', onStreamError);
  process.on('uncaughtException', (error) => void fail(error).finally(() => process.exit()));
  try {
    await main();
  } catch (error) {
    await fail(error);
  }
}

async function main(): Promise<void> {
  await requireKnownNode();
  const terminal = {
    in: process.stdin,
    out: process.stdout,
    err: process.stderr,
    env: process.env,
    cwd: process.cwd(),
  };
  if (isPlainStatus()) {
    const { quickStatus } = await import('./quick-status.ts');
    process.exitCode = await quickStatus(terminal, argv);
    return;
  }
  const { runProgram } = await import('./program.ts');
  process.exitCode = await runProgram(argv, terminal, version());
}

/** From Node 24.19 on the database module aborts in garbage collection (WiseLibs/better-sqlite3#1515). */
async function requireKnownNode(): Promise<void> {
  if (Number(process.versions.node.split('.')[0]) < 24) return;
  const { environmentError } = await import('../src/errors.ts');
  throw environmentError('NODE_UNSUPPORTED', `Node ${process.versions.node} is too new for the database module.`, {
    hint: 'Use Node 20 or 22.',
  });
}

/** `status` with nothing but flags that take no value. */
function isPlainStatus(): boolean {
  const plain = ['--json', '--no-color', '-v', '--verbose', '-q', '--quiet'];
  return (
    argv.filter((word) => word === 'status').length === 1 &&
    argv.every((word) => word === 'status' || plain.includes(word))
  );
}

async function fail(error: unknown): Promise<void> {
  // Whatever happens while it is told: this was no success.
  process.exitCode = 1;
  const { describeFailure } = await import('./failures.ts');
  const { text, exitCode } = await describeFailure(error, argv.includes('--json'));
  process.stderr.write(text);
  process.exitCode = exitCode;
}

/** The package's version; this file is `cli/main.ts` in the sources and `dist/cli/main.js` when built. */
function version(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(place, import.meta.url), 'utf8');
      return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? 'unknown';
    } catch {
      // Not there: the other place.
    }
  }
  return 'unknown';
}
