/**
 * The keeper's program: `serve <store>` speaks the protocol of protocol.ts on standard input and output until the
 * input ends. As root it keeps the store; as the agents' user it fills layers.
 */

import { realpathSync } from 'node:fs';
import process from 'node:process';
import { serve } from '../session/serve.ts';
import { agentMethods, keeperMethods, prepareStore } from './methods.ts';
import { killAll } from './spawn.ts';

const [command, folder] = process.argv.slice(2);
if (command !== 'serve' || folder === undefined) {
  process.stderr.write('usage: main.js serve <store>\n');
  process.exit(2);
}
process.umask(0o022);
const store = realpathSync(folder);
const root = process.getuid?.() === 0;
if (root) await prepareStore(store);
const problem = await serve(process.stdin, process.stdout, root ? keeperMethods(store) : agentMethods(store));
killAll();
if (problem !== null) process.stderr.write(`keeper: ${problem.message}\n`);
process.exit(problem === null ? 0 : 1);
