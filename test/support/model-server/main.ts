/**
 * The scripted model services by hand:
 *
 *     npx tsx test/support/model-server/main.ts [--port 4010 | --socket PATH] [--key sk-test-1] [--script FILE] [--record FOLDER]
 *
 * Without a script it does what a task spells out in a fenced `sh` block. A script is a module whose default export is a Script.
 * With `--record` every request is written to a file.
 */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { obedient } from './obedient.ts';
import type { Script } from './script.ts';
import { ModelServer } from './server.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4010' },
    socket: { type: 'string' },
    key: { type: 'string' },
    script: { type: 'string' },
    record: { type: 'string' },
  },
});
const { port, socket, key, script, record } = values;

const server = await ModelServer.start({
  script: script === undefined ? obedient : await scriptIn(script),
  listen: socket === undefined ? { port: Number(port) } : { socket },
  ...(key === undefined ? {} : { key }),
});
console.log(`listening on ${socket ?? server.url}`);

let seen = 0;
for (;;) {
  const n = seen + 1;
  const { method, path: asked, headers, raw, ended } = await server.received((request) => request.n === n);
  seen = n;
  console.log(`${n} ${method} ${asked} ${raw.length} bytes`);
  ended.then((how) => console.log(`${n} ${how}`));
  if (record !== undefined) {
    await writeFile(path.join(record, `${n}.headers.json`), JSON.stringify(headers, null, 2));
    await writeFile(path.join(record, `${n}.body.json`), raw);
  }
}

async function scriptIn(file: string): Promise<Script> {
  const module = (await import(pathToFileURL(path.resolve(file)).href)) as { default: Script };
  return module.default;
}
