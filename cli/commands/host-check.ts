/** `host check`: asks hosts what they are, all at once. */

import prettyBytes from 'pretty-bytes';
import { EXIT_CODES } from '../../src/errors.ts';
import type { CheckedEngine, HostCheck } from '../../src/sandbox/docker/host-check.ts';
import { configuredHosts, LOCAL_ENGINE, wantedHost } from '../../src/sandbox/docker/hosts.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { Context } from '../context.ts';
import { settingsAnywhere } from '../hosts.ts';
import type { HostCheckOptions } from '../options.ts';
import { type Colours, coloursOf } from '../render/text.ts';

export async function checkHosts(context: Context, options: HostCheckOptions): Promise<number> {
  const { hosts, limits } = await settingsAnywhere(context, options.settings);
  const named = options.names.map((name) => wantedHost(name, hosts));
  const configured = configuredHosts(hosts);
  const wanted = named.length > 0 ? named : configured.length > 0 ? configured : [LOCAL_ENGINE];
  const { checkHost } = await import('../../src/sandbox/docker/host-check.ts');
  const checks = await Promise.all(wanted.map((host) => checkHost(host, context.env, limits)));
  if (context.json) context.printJson({ hosts: checks.map(checkJson) });
  else {
    const colours = coloursOf(context.colour);
    context.print(checks.map((check) => checkText(check, colours)).join(''));
  }
  return checks.every(({ fault }) => fault === null) ? 0 : EXIT_CODES.environment;
}

/** What it is, in a line. */
export function engineText(engine: CheckedEngine): string {
  const memory = prettyBytes(engine.memoryBytes, { binary: true });
  return revealLine(
    `Docker ${engine.version} on ${engine.architecture}, ${engine.cpus} CPUs, ${memory}, ${slotsText(engine.slots)}`,
  );
}

function checkText({ host, engine, fault, warnings }: HostCheck, colours: Colours): string {
  const status =
    fault !== null ? colours.red('fail') : warnings.length > 0 ? colours.yellow('warn') : colours.green('ok');
  const pad = ' '.repeat(fault === null && warnings.length === 0 ? 3 : 1);
  const head = (said: string): string => `${status}${pad} ${revealLine(host.name).padEnd(14)} ${said}\n`;
  const line = (said: string): string => `${' '.repeat(20)} ${revealLine(said)}\n`;
  if (engine === null) {
    const hint = fault?.hint === undefined ? '' : line(`fix: ${fault.hint}`);
    return `${head(revealLine(fault?.message ?? ''))}${hint}`;
  }
  const details = [
    `${engine.endpoint}${engine.hostKey === null ? '' : ', host key known'}, ${engine.roundTripMs} ms away`,
    `${engine.operatingSystem}, storage ${engine.storageDriver}, isolation ${engine.isolation}, clock ${skewText(engine.clockSkewMs)}`,
    ...(engine.certificates === null ? [] : [certificatesText(engine.certificates)]),
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
  return `${head(engineText(engine))}${details.map(line).join('')}`;
}

function slotsText(slots: number): string {
  return slots === 1 ? '1 slot' : `${slots} slots`;
}

function skewText(skewMs: number | null): string {
  if (skewMs === null) return 'unknown';
  if (Math.abs(skewMs) < 1000) return 'right';
  return `${(Math.abs(skewMs) / 1000).toFixed(1)} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
}

function certificatesText({ engine, client }: NonNullable<CheckedEngine['certificates']>): string {
  return `its certificate ends ${dayOf(engine)}, yours ${dayOf(client)}`;
}

function dayOf(date: Date | null): string {
  return date?.toISOString().slice(0, 10) ?? 'unknown';
}

function checkJson({ host, engine, fault, warnings }: HostCheck) {
  const { name, url, labels } = host;
  const { code, message, hint = null } = fault ?? {};
  return {
    ...{ name, url, labels, ok: fault === null },
    error: fault === null ? null : { code, message, hint },
    hostKey: engine?.hostKey ?? HOST_KEYS[code ?? ''] ?? null,
    engine: engine === null ? null : { ...engine, hostKey: undefined },
    warnings,
  };
}

const HOST_KEYS: Readonly<Record<string, string>> = { HOST_KEY_CHANGED: 'changed', HOST_KEY_UNKNOWN: 'unknown' };
