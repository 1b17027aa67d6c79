/** `host add`, `host list`, `host remove`: other machines by name, in the user's own settings. */

import { resolve } from 'node:path';
import { LOCAL_HOST } from '../../src/config/host-url.ts';
import { editSettingsFile, withHost, withoutHost } from '../../src/config/hosts-file.ts';
import { parseHost } from '../../src/config/schema.ts';
import { type HostDefinition, settingsOf } from '../../src/config/settings.ts';
import { environmentError, usageError } from '../../src/errors.ts';
import { configuredHosts, wantedHost } from '../../src/sandbox/docker/hosts.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { Context } from '../context.ts';
import { settingsAnywhere, userFileOf } from '../hosts.ts';
import type { HostAddOptions } from '../options.ts';
import { columnsOf, tableLines } from '../render/fit.ts';
import { coloursOf } from '../render/text.ts';
import { engineText } from './host-check.ts';

export async function addHost(context: Context, { name, check, ...written }: HostAddOptions): Promise<number> {
  const { tls, labels, slots, upstream, url } = written;
  const definition = parseHost(name, {
    ...{ url, ...(tls === null ? {} : { tls: resolve(context.cwd, tls) }) },
    ...{ ...(slots === null ? {} : { slots }), ...(labels.length === 0 ? {} : { labels }) },
    ...(upstream === null ? {} : { upstream }),
  });
  const file = userFileOf(context);
  // Before anything is asked over a network: is there one of that name, is the file in order?
  await editSettingsFile(file, (text) => {
    withHost(text, name, definition);
    return null;
  });
  const checked = check ? await tryHost(context, name, definition) : null;
  await editSettingsFile(file, (text) => withHost(text, name, definition));
  if (context.json) context.printJson({ host: hostJson(name, definition), file });
  else {
    const what = checked === null ? 'not checked' : checked;
    context.print(`Added ${name}: ${what}\nUse it: orchestrate run --host ${name}\n`);
  }
  return 0;
}

/** What it is, in a line; rejects where it cannot be used. */
async function tryHost(context: Context, name: string, definition: HostDefinition): Promise<string> {
  const { checkHost } = await import('../../src/sandbox/docker/host-check.ts');
  const { limits } = settingsOf({});
  const { engine, fault, warnings } = await checkHost(wantedHost(name, { [name]: definition }), context.env, limits);
  if (fault !== null || engine === null) {
    throw environmentError(fault?.code ?? 'HOST_UNREACHABLE', `${name} was not added: ${fault?.message}`, {
      hint: `${fault?.hint ?? 'orchestrate host check'} (--no-check stores it all the same)`,
      cause: fault,
    });
  }
  for (const warning of warnings) context.warn(`${name}: ${warning}`);
  return engineText(engine);
}

export async function removeHost(context: Context, name: string): Promise<number> {
  const file = userFileOf(context);
  const isRemoved = await editSettingsFile(file, (text) => withoutHost(text, name));
  if (!isRemoved) {
    throw usageError('HOST_UNKNOWN', `there is no host ${name} in ${file}`, { hint: 'orchestrate host list' });
  }
  if (context.json) context.printJson({ removed: name, file });
  else context.print(`Removed ${name}. A run that is at work gives it nothing more; its agents there go on.\n`);
  return 0;
}

export async function listHosts(context: Context): Promise<number> {
  const { hosts } = await settingsAnywhere(context);
  if (context.json) {
    context.printJson({ hosts: Object.entries(hosts).map(([name, definition]) => hostJson(name, definition)) });
    return 0;
  }
  const rows = configuredHosts(hosts).map(({ name, url, slots, labels }) => [
    name,
    revealLine(url ?? ''),
    String(slots ?? 'as fit'),
    labels.join(', ') || '-',
  ]);
  const local = [LOCAL_HOST, 'what the docker command line uses', 'as fit', '-'];
  const table = await tableLines([['HOST', 'WHERE', 'SLOTS', 'LABELS'], local, ...rows], columnsOf(context.out));
  const [first = '', ...lines] = table;
  context.print(`${coloursOf(context.colour).bold(first)}\n${lines.map((line) => `${line}\n`).join('')}`);
  if (rows.length === 0) context.note('No other machine yet: orchestrate host add build-1 ssh://user@build-1');
  return 0;
}

function hostJson(name: string, { url, tls, slots, labels = [], upstream }: HostDefinition) {
  return { name, url, tls: tls ?? null, slots: slots ?? null, labels, upstream: upstream ?? null };
}
