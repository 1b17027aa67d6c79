/** What runs inside a sandbox to find out whether a runtime gives it all that agents need: a program, and what it tells. */

import { GATEWAY_PORT, GATEWAY_SOCKET } from '../../gateway/protocol.ts';
import type { InnerLook } from './runtimes.ts';

/** What the stand-in of the gateway says to whoever connects. */
const GREETING = 'hello from the gateway';
/** Laid into the context once the sandbox runs, as notes are. */
export const LATE_FILE = 'late.md';
/** Printed when all but the late file has been looked at. */
export const LOOKED = 'looked';
/** Written into the root file system, where a set-up installs. */
export const ROOT_FILE = '/var/tmp/orchestrate-probe';

/** What the program tells; of each trial null where it went well, else what went wrong. */
export interface RuntimeLook extends InnerLook {
  readonly workspace: string | null;
  readonly gateway: string | null;
  readonly reaper: string | null;
  readonly guard: string | null;
  readonly context: string | null;
}

/** Stands in for the gateway, on the runtime that the gateway has. */
export const LISTENER = `require('node:net').createServer((socket) => {
  socket.on('error', () => {});
  socket.end('${GREETING}');
}).listen('${GATEWAY_SOCKET}', () => require('node:fs').chmodSync('${GATEWAY_SOCKET}', 0o666));`;

/**
 * The workspace is changed in every way that an overlay has a mark for; it holds `gone`, `kept` and `made-again/old`.
 * An orphan must become the sub-reaper's child and vanish with its end; what is sent to process 1 must do it no harm.
 */
export const LOOK = `
const fs = require('node:fs');
const net = require('node:net');
const { execFileSync } = require('node:child_process');
const { setTimeout: wait } = require('node:timers/promises');
const quiet = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
const tried = async (act) => {
  try { return (await act()) ?? null; } catch (error) { return error.code ?? error.message; }
};
const until = async (holds) => {
  for (let i = 0; i < 200; i += 1) { if (holds()) return true; await wait(50); }
  return false;
};
const said = (to) => new Promise((resolve, reject) => {
  let text = '';
  net.connect(to).on('data', (data) => { text += data; }).on('error', reject).on('close', () => resolve(text));
});
const read = (file) => { try { return fs.readFileSync(file, 'utf8'); } catch { return ''; } };
const workspace = () => {
  fs.rmSync('gone');
  fs.rmSync('made-again', { recursive: true });
  fs.mkdirSync('made-again');
  fs.writeFileSync('made-again/new', 'new');
  if (fs.existsSync('gone') || fs.existsSync('made-again/old')) return 'what was removed is still there';
  if (fs.readFileSync('kept', 'utf8') !== 'kept') return 'a file cannot be read';
  return fs.readFileSync('made-again/new', 'utf8') === 'new' ? null : 'a new file cannot be read';
};
const gateway = async () => {
  if ((await tried(() => said({ port: ${GATEWAY_PORT}, host: '127.0.0.1' }))) === '${GREETING}') return null;
  const direct = await said({ path: '${GATEWAY_SOCKET}' });
  return direct === '${GREETING}' ? 'the port is not passed on to the socket' : 'it does not answer';
};
const parent = (pid) => Number(/^PPid:\\s*(\\d+)/m.exec(read('/proc/' + pid + '/status'))?.[1]);
const reaper = async () => {
  if (process.ppid === 1) return 'there is none';
  const orphan = Number(execFileSync('sh', ['-c', 'sleep 600 >/dev/null & echo $!'], quiet));
  if (!(await until(() => parent(orphan) === process.ppid))) return 'an orphan becomes a child of ' + parent(orphan);
  process.kill(orphan, 'SIGKILL');
  return (await until(() => !fs.existsSync('/proc/' + orphan))) ? null : 'an orphan stays for ever';
};
const guard = async () => {
  for (const signal of ['SIGSTOP', 'SIGKILL']) process.kill(1, signal);
  await wait(200);
  const state = /^State:\\s*(\\S)/m.exec(read('/proc/1/status'))?.[1];
  return state === 'T' || state === 'Z' ? 'it is in state ' + state : null;
};
(async () => {
  const look = {
    version: read('/proc/version'),
    uidMap: read('/proc/self/uid_map'),
    log: (await tried(() => execFileSync('dmesg', quiet).split('\\n').slice(0, 3).join('\\n'))) ?? '',
    workspace: await tried(workspace),
    gateway: await tried(gateway),
    reaper: await tried(reaper),
  };
  console.log('${LOOKED}');
  look.context = (await until(() => fs.existsSync('/context/${LATE_FILE}'))) ? null : 'it is not seen';
  console.log(JSON.stringify(look));
  look.guard = await tried(guard);
  console.log(JSON.stringify(look));
  setInterval(() => {}, 1000);
})();`;

/** Ended by the toolbox's deadline; leaves something in the root file system first. */
export const LAST_UNTIL_DEADLINE = `require('node:fs').writeFileSync('${ROOT_FILE}', 'probe'); setInterval(() => {}, 1000);`;
