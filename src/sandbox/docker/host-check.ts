/** Whether agents could run on a host, and what it is: what a person wants to know before they count on it. */

import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import type Docker from 'dockerode';
import { environmentError, OrchestrateError } from '../../errors.ts';
import type { Limits } from '../../types.ts';
import type { IsolationLevel } from '../sandbox.ts';
import { answered, connectHost, type EngineConnection } from './connect.ts';
import type { Endpoint, Environment } from './endpoint.ts';
import { slotsOf, type WantedHost } from './hosts.ts';
import { type RuntimeInfo, readRuntimes } from './runtimes.ts';

export interface HostCheck {
  readonly host: WantedHost;
  /** Null where it cannot be used. */
  readonly engine: CheckedEngine | null;
  /** Why it cannot be used. */
  readonly fault: OrchestrateError | null;
  /** What may become a problem, as sentences. */
  readonly warnings: readonly string[];
}

export interface CheckedEngine {
  readonly endpoint: string;
  readonly version: string;
  readonly architecture: string;
  readonly operatingSystem: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Agents at once: as the user said, else as many as fit. */
  readonly slots: number;
  readonly storageDriver: string;
  readonly isolation: IsolationLevel;
  /** For a question and its answer, milliseconds. */
  readonly roundTripMs: number;
  /** How far its clock is ahead of ours, milliseconds; null: not known. As exact as half of a round trip. */
  readonly clockSkewMs: number | null;
  /** Last moments of the certificates, for TLS. */
  readonly certificates: { readonly engine: Date | null; readonly client: Date | null } | null;
  /** For ssh: the key is one of the user's known hosts, else there would be no connection. */
  readonly hostKey: 'known' | null;
}

interface Info extends RuntimeInfo {
  readonly ServerVersion?: string;
  readonly Architecture?: string;
  readonly OperatingSystem?: string;
  readonly OSType?: string;
  readonly NCPU?: number;
  readonly MemTotal?: number;
  readonly Driver?: string;
  readonly SystemTime?: string;
}

const SKEW_LIMIT_MS = 5_000;
const EXPIRY_LIMIT_MS = 14 * 24 * 3_600_000;
const TLS_LIMIT_MS = 10_000;

/** Never rejects for what a host is or lacks: that is in the result. `limits`: of one agent. */
export async function checkHost(
  host: WantedHost,
  env: Environment,
  limits: Pick<Limits, 'cpus' | 'memoryBytes'>,
): Promise<HostCheck> {
  try {
    await using connection = await connectHost(host, env);
    const engine = await look(connection, limits);
    return { host, engine, fault: null, warnings: warningsOf(engine, host, limits) };
  } catch (error) {
    if (!(error instanceof OrchestrateError)) throw error;
    return { host, engine: null, fault: error, warnings: [] };
  }
}

async function look(
  connection: EngineConnection,
  limits: Pick<Limits, 'cpus' | 'memoryBytes'>,
): Promise<CheckedEngine> {
  const { docker, endpoint } = connection;
  const asked = performance.now();
  await answered(endpoint, docker.ping());
  const roundTripMs = Math.round(performance.now() - asked);
  const { info, clockSkewMs } = await timedInfo(docker, endpoint);
  if (info.OSType !== undefined && info.OSType !== 'linux') {
    throw environmentError('HOST_NOT_LINUX', `${endpoint.name} runs containers of ${info.OSType}`, {
      hint: 'agents need an engine for Linux containers',
    });
  }
  const size = { cpus: info.NCPU ?? 0, memoryBytes: info.MemTotal ?? 0 };
  return {
    ...{ endpoint: endpoint.name, ...size, slots: connection.slots ?? slotsOf(size, limits) },
    ...{ version: info.ServerVersion ?? 'unknown', architecture: info.Architecture ?? 'unknown' },
    ...{ operatingSystem: info.OperatingSystem ?? 'unknown', storageDriver: info.Driver ?? 'unknown' },
    ...{ isolation: readRuntimes(info).level, roundTripMs, clockSkewMs },
    certificates: endpoint.options.protocol === 'https' ? await certificatesOf(endpoint) : null,
    hostKey: endpoint.ssh === null ? null : 'known',
  };
}

async function timedInfo(
  docker: Docker,
  endpoint: Endpoint,
): Promise<{ readonly info: Info; readonly clockSkewMs: number | null }> {
  const before = Date.now();
  const info = (await answered(endpoint, docker.info())) as Info;
  return { info, clockSkewMs: skewOf(info.SystemTime, before, Date.now()) };
}

/** How far a clock that showed `theirs` at some moment between ours is ahead; 0 where it may be right. */
export function skewOf(theirs: string | undefined, before: number, after: number): number | null {
  const moment = Date.parse(theirs ?? '');
  if (Number.isNaN(moment)) return null;
  if (moment < before) return moment - before;
  return Math.max(0, moment - after);
}

async function certificatesOf({ options }: Endpoint): Promise<CheckedEngine['certificates']> {
  const { ca, cert, key } = options;
  const host = String(options.host).replace(/^\[(.*)\]$/, '$1');
  const socket = connect({ host, port: Number(options.port), ca, cert, key: key as Buffer | undefined });
  const engine = await new Promise<Date | null>((resolve) => {
    socket.once('secureConnect', () => resolve(dateOf(socket.getPeerCertificate().valid_to)));
    socket.once('error', () => resolve(null));
    socket.setTimeout(TLS_LIMIT_MS, () => resolve(null));
  });
  socket.destroy();
  return { engine, client: cert instanceof Buffer ? dateOf(new X509Certificate(cert).validTo) : null };
}

function dateOf(written: string): Date | null {
  const date = new Date(written);
  return Number.isNaN(date.getTime()) ? null : date;
}

function warningsOf(
  engine: CheckedEngine,
  host: WantedHost,
  limits: Pick<Limits, 'cpus' | 'memoryBytes'>,
): readonly string[] {
  const { clockSkewMs, certificates } = engine;
  const warnings: string[] = [];
  if (clockSkewMs !== null && Math.abs(clockSkewMs) > SKEW_LIMIT_MS) {
    const far = `${Math.round(Math.abs(clockSkewMs) / 1000)} s ${clockSkewMs > 0 ? 'ahead of' : 'behind'} ours`;
    warnings.push(`its clock is ${far}: deadlines and logs of agents go by it`);
  }
  for (const [whose, end] of Object.entries(certificates ?? {})) {
    const left = end === null ? Number.POSITIVE_INFINITY : end.getTime() - Date.now();
    if (left > EXPIRY_LIMIT_MS) continue;
    const name = whose === 'engine' ? 'its certificate' : 'your certificate for it';
    warnings.push(`${name} expires on ${end?.toISOString().slice(0, 10)}`);
  }
  const fits = slotsOf(engine, limits);
  if (host.slots !== null && host.slots > fits) {
    warnings.push(`${host.slots} slots are more than its CPUs and memory hold for agents of this size (${fits})`);
  } else if (engine.memoryBytes > 0 && engine.memoryBytes < limits.memoryBytes) {
    warnings.push('it has less memory than one agent may take (--memory)');
  }
  return warnings;
}
