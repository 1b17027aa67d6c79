/** Which Docker hosts the user means: names, contexts and addresses into where each one is. Pure. */

import { LOCAL_HOST, parseHostUrl } from '../../config/host-url.ts';
import type { Settings } from '../../config/settings.ts';
import { suggest } from '../../config/suggest.ts';
import { usageError } from '../../errors.ts';
import type { Limits, Upstream } from '../../types.ts';

export interface WantedHost {
  /** As the user calls it: a name of the settings, `local`, `context:NAME` or the address. */
  readonly name: string;
  /** Null: the engine that the docker command line would use. */
  readonly url: string | null;
  /** Folder with ca.pem, cert.pem and key.pem; null: none was named. */
  readonly tls: string | null;
  /** Agents at once there; null: as many as its CPUs and memory hold (`slotsOf`). */
  readonly slots: number | null;
  readonly labels: readonly string[];
  /** Not given: of one elsewhere the coordinator. */
  readonly upstream?: Upstream | undefined;
}

/** The engine that the docker command line would use. */
export const LOCAL_ENGINE: WantedHost = { name: LOCAL_HOST, url: null, tls: null, slots: null, labels: [] };

/** Of an engine's memory, what agents may have together. */
const MEMORY_SHARE = 0.8;

/**
 * The hosts that agents run on, each once, in the order in which they were named: those of `host`; else, where `on` asks for
 * labels, all of `hosts` that have them; else the local engine alone, called `local`. A word of `host` is a name of `hosts`,
 * `local`, an address, `context:NAME`, or the bare name of a Docker context. Of a Swarm the labels are its nodes', and the first
 * host is its manager.
 * @throws usage `HOST_UNKNOWN` for a word that is none of these, `NO_SUCH_LABEL` where no host is left
 */
export function wantedHosts(
  settings: Pick<Settings, 'hosts' | 'host' | 'on'> & Partial<Pick<Settings, 'sandbox'>>,
): readonly WantedHost[] {
  const { hosts, host } = settings;
  const on = settings.sandbox === 'swarm' ? [] : settings.on;
  if (host.length === 0 && on.length === 0) return [LOCAL_ENGINE];
  const named = host.length > 0 ? [...new Set(host)] : Object.keys(hosts);
  const wanted = named
    .map((word) => wantedHost(word, hosts))
    .filter(({ labels }) => on.every((label) => labels.includes(label)));
  if (wanted.length > 0) return wanted;
  const among = host.length > 0 ? `of ${named.join(', ')} none` : 'no host';
  throw usageError(
    'NO_SUCH_LABEL',
    `${among} has ${on.length === 1 ? 'the label' : 'all of the labels'} ${on.join(', ')}`,
    {
      hint: 'see what each host is called: orchestrate host list',
    },
  );
}

/** All hosts of the settings. */
export function configuredHosts(hosts: Settings['hosts']): readonly WantedHost[] {
  return Object.keys(hosts).map((word) => wantedHost(word, hosts));
}

/** It says where it is, and needs no settings for that. */
function isAddress(word: string): boolean {
  return /^(?:context:|[a-z]+:\/\/)/i.test(word);
}

/** One word of `host`. @throws usage `HOST_UNKNOWN` */
export function wantedHost(word: string, hosts: Settings['hosts']): WantedHost {
  const definition = Object.hasOwn(hosts, word) ? hosts[word] : undefined;
  if (definition !== undefined) {
    const { url, tls = null, slots = null, labels = [], upstream } = definition;
    return { name: word, url, tls, slots, labels, upstream };
  }
  if (word === LOCAL_HOST) return LOCAL_ENGINE;
  try {
    const url = isAddress(word) ? word : `context:${word}`;
    parseHostUrl(url);
    return { ...LOCAL_ENGINE, name: word, url };
  } catch (cause) {
    const meant = suggest(word, Object.keys(hosts));
    const why = isAddress(word) && cause instanceof Error ? cause.message : `there is no host ${word}`;
    throw usageError('HOST_UNKNOWN', why, {
      hint: meant === null ? 'see which there are: orchestrate host list' : `did you mean ${meant}?`,
      cause,
    });
  }
}

/**
 * How many agents fit on an engine at once, at least 1: min(CPUs ÷ CPUs of one, 80 % of the memory ÷ memory of one), both
 * rounded down. An engine that does not say what it has (0) is taken to hold one.
 */
export function slotsOf(
  engine: { readonly cpus: number; readonly memoryBytes: number },
  one: Pick<Limits, 'cpus' | 'memoryBytes'>,
): number {
  const fit = Math.min(engine.cpus / one.cpus, (engine.memoryBytes * MEMORY_SHARE) / one.memoryBytes);
  return Math.max(1, Math.floor(fit));
}
