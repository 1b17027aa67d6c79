/** The written form of the settings (a YAML document, environment variables, flags) as a strict schema. */

import { z } from 'zod';
import { OrchestrateError, usageError } from '../errors.ts';
import { AUTO_APPROVALS, EFFORTS, NETWORKS, SANDBOX_KINDS, UPSTREAMS, WORKSPACE_KINDS } from '../types.ts';
import { HOST_LABEL, HOST_NAME, type HostPlace, LOCAL_HOST, parseHostUrl } from './host-url.ts';
import {
  BUILT_IN_ENGINES,
  type EngineDefinition,
  type HostDefinition,
  type Layer,
  type SwarmDefinition,
} from './settings.ts';
import { DAY_MS, MEBIBYTE, parseCount, parseDuration, parseNumber, parseSize, SECOND_MS } from './sizes.ts';
import { parseSwarmAddress } from './swarm-address.ts';

/** A value as it stands in YAML (string or number), in a variable or in a flag (string), read by one of our readers. */
function written<T>(read: (text: string) => T) {
  return z
    .unknown()
    .transform((value, context): T => {
      try {
        if (typeof value !== 'string' && typeof value !== 'number') throw new TypeError('expected one value');
        return read(String(value));
      } catch (error) {
        const known = error instanceof OrchestrateError || error instanceof TypeError;
        if (!known) throw error;
        context.addIssue({ code: 'custom', message: error.message });
        return z.NEVER;
      }
    })
    .optional();
}

/** A list in YAML; in a variable or a flag its members are separated by commas. */
function listOf(member: RegExp, expected: string) {
  const one = z.string(expected).regex(member, expected);
  const split = z.string(expected).transform((value) =>
    value
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean),
  );
  return z.union([z.array(one, expected), split.pipe(z.array(one))], expected).optional();
}

/** `registry.example.org`, `*.example.org`, with a port and a private range if need be; or a set of hosts, `@npm`. */
const HOST = /^(?:@[a-z]+|(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?(?::[0-9]{1,5})?(?:=[0-9a-f.:]+\/[0-9]+)?)$/i;

const text = z.string('expected text').trim().min(1, 'is empty');
const truth = z
  .union([z.boolean(), z.enum(['true', 'false'])], 'expected true or false')
  .transform((value) => value === true || value === 'true');

const engineName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'an engine has a name of lower case letters, digits, - and _')
  .refine((name) => !BUILT_IN_ENGINES.includes(name) && name !== 'command', 'this name belongs to a built-in engine');

const variable = z
  .string('expected the name of a variable')
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of a variable');
/** A list in a file; in a flag or a variable words between commas or spaces. */
const words = z.union(
  [z.array(text), z.string().transform((value) => value.split(/[\s,]+/).filter((word) => word !== ''))],
  'expected a list',
);
/** A list in a file; in a variable one command, in flags several with NUL in between. */
const commands = z.union(
  [
    z.array(text),
    z
      .string()
      .transform((value) => value.split('\0'))
      .pipe(z.array(text)),
  ],
  'expected a list of commands',
);
const pattern = text.refine((value) => {
  try {
    return new RegExp(value) !== null;
  } catch {
    return false;
  }
}, 'not a regular expression');
function isMoment(value: string): boolean {
  return (
    /^([01]?\d|2[0-3]):[0-5]\d$/.test(value) || (/^\d{4}-\d{2}-\d{2}T/.test(value) && !Number.isNaN(Date.parse(value)))
  );
}

const label = z.string('expected text').regex(HOST_LABEL, 'not a label: letters, digits, and - _ . = / inside');
const hostName = z
  .string()
  .regex(HOST_NAME, 'a host has a name of lower case letters, digits and -')
  .refine((name) => name !== LOCAL_HOST, "local is this machine's own engine");
/** Where something is, as it was written, and of which kind that is. */
function place(read: (value: string) => HostPlace) {
  return text.transform((value, context) => {
    try {
      return { written: value, kind: read(value).kind };
    } catch (error) {
      if (!(error instanceof OrchestrateError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

const TLS_MISSING = {
  path: ['tls'],
  message: 'tcp:// needs the folder of its certificates: without, anyone on the network would be root there',
};
const TLS_IDLE = { path: ['tls'], message: 'counts for tcp:// alone' };
const hostDefinition = z
  .strictObject(
    {
      url: place(parseHostUrl),
      tls: text.optional(),
      slots: written((value) => parseCount(value, { least: 1, most: 256 })),
      labels: z.array(label, 'expected a list').optional(),
      upstream: z.enum(UPSTREAMS, `expected ${UPSTREAMS.join(' or ')}`).optional(),
    },
    'expected {url: …}',
  )
  .refine(({ url, tls }) => tls !== undefined || url.kind !== 'tcp', TLS_MISSING)
  .refine(({ url, tls }) => tls === undefined || url.kind === 'tcp', TLS_IDLE)
  .transform(({ url, ...rest }): HostDefinition => ({ url: url.written, ...rest }));

const swarmDefinition = z
  .strictObject({ address: place(parseSwarmAddress), tls: text.optional() }, 'expected {address: …}')
  .refine(({ address, tls }) => tls !== undefined || address.kind !== 'tcp', TLS_MISSING)
  .refine(({ address, tls }) => tls === undefined || address.kind === 'tcp', TLS_IDLE)
  .transform(
    ({ address, tls }): SwarmDefinition => ({ address: address.written, ...(tls === undefined ? {} : { tls }) }),
  );

/** A host as flags say it. Throws usage `BAD_HOST` that names everything that is wrong with it. */
export function parseHost(name: string, host: Readonly<Record<string, unknown>>): HostDefinition {
  const results = [hostName.safeParse(name), hostDefinition.safeParse(host)] as const;
  const problems = results.flatMap(({ error }) => error?.issues.map(ofHostFlag) ?? []);
  if (results[1].data === undefined || problems.length > 0) throw usageError('BAD_HOST', problems.join('; '));
  return results[1].data;
}

/** The address and the name say themselves what they are. */
function ofHostFlag({ path: [key], message }: z.core.$ZodIssue): string {
  if (key === undefined || key === 'url') return message;
  return `--${key === 'labels' ? 'label' : String(key)}: ${message}`;
}

/** One host, never all below a name: a token is for whom it was given. */
const host = z.string().regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/, 'expected a host');

/** Which roles there are depends on the commit that a run starts from: an unknown one is told of then. */
const roleName = z.string().regex(/^[a-z0-9-]{1,64}$/, 'expected the name of a role: lower case letters, digits and -');

export const writtenSettings = z.strictObject({
  'max-agents': written((value) => parseCount(value, { least: 1, most: 256 })),
  'allow-overlap': truth.optional(),
  engine: text.optional(),
  'engine-command': text.optional(),
  engines: z
    .record(
      engineName,
      z.strictObject(
        { command: text, env: z.array(variable).optional(), usage: pattern.optional() },
        'expected a command',
      ),
    )
    .optional(),
  model: text.optional(),
  roles: z.record(roleName, z.strictObject({ model: text }, 'expected {model: NAME}')).optional(),
  effort: z.enum(EFFORTS, `expected ${EFFORTS.join(', ')}`).optional(),
  network: z.enum(NETWORKS, `expected ${NETWORKS.join(', ')}`).optional(),
  allow: words.optional(),
  registries: z.record(host, z.strictObject({ tokenEnv: variable }, 'expected {tokenEnv: NAME}')).optional(),
  'budget-usd': written((value) => parseNumber(value, { least: 0.01, most: 1_000_000 })),
  'budget-tokens': written((value) => parseCount(value, { least: 1, most: 1_000_000_000_000 })),
  'task-budget-usd': written((value) => parseNumber(value, { least: 0.01, most: 1_000_000 })),
  base: text.optional(),
  'include-dirty': truth.optional(),
  image: text.optional(),
  dockerfile: text.optional(),
  history: written((value) => parseCount(value, { least: 1, most: 1_000_000 })),
  workspace: z.enum(WORKSPACE_KINDS, `expected ${WORKSPACE_KINDS.join(' or ')}`).optional(),
  setup: text.optional(),
  'setup-allow': listOf(HOST, 'expected hosts, or sets of them such as @npm'),
  'setup-inputs': listOf(/^[^\0:/][^\0]*$/, 'expected files of the repository, by pattern'),
  checks: commands.optional(),
  'auto-approve': z.enum(AUTO_APPROVALS, `expected ${AUTO_APPROVALS.join(' or ')}`).optional(),
  'auto-merge': text.optional(),
  'max-pending-reviews': written((value) => parseCount(value, { least: 1, most: 1_000_000 })),
  runtime: text.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "expected the name of one of the engine's runtimes").optional(),
  sandbox: z.enum(SANDBOX_KINDS, `expected ${SANDBOX_KINDS.join(' or ')}`).optional(),
  swarm: swarmDefinition.optional(),
  hosts: z.record(hostName, hostDefinition).optional(),
  host: words.optional(),
  on: words.pipe(z.array(label)).optional(),
  for: written((value) => parseDuration(value, { least: SECOND_MS, most: 30 * DAY_MS })),
  until: text.refine(isMoment, 'expected a time of day such as 07:00, or a moment such as 2026-03-02T07:00').optional(),
  notify: z.url({ protocol: /^https?$/, error: 'expected an http or https address' }).optional(),
  timeout: written((value) => parseDuration(value, { least: SECOND_MS, most: 30 * DAY_MS })),
  'idle-timeout': written((value) => parseDuration(value, { least: SECOND_MS, most: 30 * DAY_MS })),
  memory: written((value) => parseSize(value, { least: 64 * MEBIBYTE, most: 1024 ** 5 })),
  cpus: written((value) => parseNumber(value, { least: 0.1, most: 1024 })),
  pids: written((value) => parseCount(value, { least: 16, most: 4_194_304 })),
  disk: written((value) => parseSize(value, { least: 16 * MEBIBYTE, most: 1024 ** 5 })),
});

/** The names that a settings file may use. */
export const KNOWN_KEYS: readonly string[] = Object.keys(writtenSettings.shape);

/** Turns the written names into ours. */
export function normalise(settings: z.output<typeof writtenSettings>): Layer {
  const engines: Readonly<Record<string, EngineDefinition>> | undefined = settings.engines;
  return {
    maxAgents: settings['max-agents'],
    allowOverlap: settings['allow-overlap'],
    engine: settings.engine,
    engineCommand: settings['engine-command'],
    engines,
    model: settings.model,
    roles: settings.roles,
    effort: settings.effort,
    network: settings.network,
    allow: settings.allow,
    registries: settings.registries,
    budgetUsd: settings['budget-usd'],
    budgetTokens: settings['budget-tokens'],
    taskBudgetUsd: settings['task-budget-usd'],
    base: settings.base,
    includeDirty: settings['include-dirty'],
    history: settings.history,
    image: settings.image,
    dockerfile: settings.dockerfile,
    workspace: settings.workspace,
    setUp: settings.setup,
    setUpAllow: settings['setup-allow'],
    setUpInputs: settings['setup-inputs'],
    checks: settings.checks,
    autoApprove: settings['auto-approve'],
    autoMerge: settings['auto-merge'],
    maxPendingReviews: settings['max-pending-reviews'],
    runtime: settings.runtime,
    sandbox: settings.sandbox,
    swarm: settings.swarm,
    hosts: settings.hosts,
    host: settings.host,
    on: settings.on,
    forMs: settings.for,
    until: settings.until,
    notify: settings.notify,
    timeoutMs: settings.timeout,
    idleTimeoutMs: settings['idle-timeout'],
    memoryBytes: settings.memory,
    cpus: settings.cpus,
    pids: settings.pids,
    diskBytes: settings.disk,
  };
}
