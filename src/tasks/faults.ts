/**
 * Which ends of an attempt are nobody's work: faults of what is around the agent. Those are tried again by themselves, so
 * often and so late as is written here. What an agent did, a policy's denial, a budget or a time-out is a result and never is.
 */

import { OrchestrateError } from '../errors.ts';

/**
 * What an error during an attempt is. `result`: the agent's doing. `infrastructure`: the next attempt may well not meet it.
 * `permanent`: it comes again until a person does something.
 */
export type FaultClass = 'result' | 'infrastructure' | 'permanent';

/** Fault of an attempt whose coordinator was killed and whose sandbox was gone when the next one came. */
export const COORDINATOR_KILLED = 'COORDINATOR_KILLED';

/** Fault of an attempt whose host was given up while others could do its work; its sandbox may still be there. */
export const HOST_LOST = 'HOST_LOST';

/** Milliseconds before the first, second and third further try; each is made longer or shorter by up to JITTER of it. */
export const RETRY_DELAYS_MS: readonly number[] = [5_000, 30_000, 120_000];
export const JITTER = 0.3;
/**
 * How many attempts of a task in a row may be lost with their coordinator. Each needs somebody who starts the next one, so
 * that no person's patience is at stake; a service that starts it again and again must not do so for ever.
 */
export const MOST_COORDINATORS_KILLED = 20;

/** Codes by class; usage errors are permanent whatever their code. */
const CODES: Readonly<Record<FaultClass, readonly string[]>> = {
  result: ['COLLECT_TOO_LARGE', 'CONVERSATION_TOO_LONG', 'UNSAFE_PATH'],
  infrastructure: [
    ...[
      COORDINATOR_KILLED,
      HOST_LOST,
      'DOCKER_FAILED',
      'DOCKER_UNREACHABLE',
      'ENGINE_GONE',
      ...['ENGINE_RESTARTED', 'ENGINE_TIMEOUT', 'SANDBOX_REMOVED', 'SANDBOX_STOPPED', 'OUTPUT_LOST'],
    ],
    ...['KEEPER_LOST', 'GATEWAY_LOST', 'SESSION_LOST', 'TOOLBOX_NOT_READY', 'TOOLBOX_ABSENT', 'TOOLBOX_LOST'],
    ...['HOST_UNREACHABLE', 'IMAGE_NOT_SENT'],
    ...['SHELL_LOST', 'NOT_RUNNING', 'UPSTREAM_UNREACHABLE', 'DIAL_LATE', 'ATTEMPT_UNKNOWN'],
    // Both sides of these calls are ours: what one does not understand has been cut off, or is a fault of ours.
    ...['GATEWAY_BAD_CALL', 'KEEPER_BAD_CALL', 'TOOL_BAD_CALL', 'TOOL_CALL_FORGOTTEN', 'TOOL_CALL_OUT_OF_ORDER'],
    ...['TOOL_CALLS_UNACKNOWLEDGED', 'KEEPER_CANCELLED', 'KEEPER_PROGRAM_FAILED', 'KEEPER_BAD_INDEX'],
    // Somebody takes the store away below us: it is laid out anew.
    ...['KEEPER_NO_LAYER', 'KEEPER_NO_ATTEMPT', 'KEEPER_NO_SET_UP', 'KEEPER_LAYER_IN_USE', 'KEEPER_SET_UP_IN_USE'],
    ...['KEEPER_ATTEMPT_EXISTS', 'KEEPER_BAD_OBJECT', 'KEEPER_CHANGED_WHILE_READ', 'KEEPER_UNREADABLE'],
    ...['GIT_FAILED', 'REPOSITORY_LOCKED', 'SIZE_MISMATCH', 'PATCH_MISMATCH', 'DIRTY_UNREADABLE'],
    ...['DISK_FULL', 'STATE_BUSY', 'STATE_DISK_FULL', 'CONVERSATION_UNREADABLE'],
  ],
  permanent: [
    ...['DOCKER_PERMISSION', 'DOCKER_CONTEXT_UNKNOWN', 'DOCKER_HOST_UNSUPPORTED', 'DOCKER_TLS_UNREADABLE'],
    ...['IMAGE_MISSING', 'IMAGE_BUILD_FAILED', 'IMAGE_VOLUME', 'NO_BASE_IMAGE', 'UNKNOWN_IMAGE', 'WRONG_ARCHITECTURE'],
    ...['RUNTIME_UNFIT', 'RUNTIME_UNKNOWN'],
    ...['HOST_PLAIN_TCP', 'HOST_UNKNOWN', 'HOST_NOT_LINUX', 'HOST_KEY_CHANGED', 'HOST_KEY_UNKNOWN', 'HOST_AUTH'],
    ...['HOST_SSH', 'HOST_TLS', 'HOSTS_REMOVED', 'SWARM_REFUSED', 'NOT_A_SWARM', 'SWARM_NO_NODE'],
    ...['PROGRAM_NOT_IN_IMAGE', 'SETUP_FAILED', 'KEY_REFUSED', 'NO_KEY', 'BAD_KEY', 'BAD_BASE_URL', 'NO_ENGINE'],
    ...['NO_GIT', 'GIT_TOO_OLD', 'NO_REPOSITORY', 'BARE_REPOSITORY', 'NO_COMMIT', 'NO_IDENTITY', 'MISSING_OBJECTS'],
    ...['REPOSITORY_READ_ONLY', 'REPOSITORY_NOT_YOURS', 'UNSUPPORTED_PATH', 'FOLDER_NOT_WRITABLE'],
    ...['LOCAL_CHANGES', 'UNMERGED', 'MOVE_GOES_ON', 'OPERATION_IN_PROGRESS', 'PATCH_CONFLICT', 'ROLLBACK_FAILED'],
    // Before the first agent.
    ...['BASE_RED', 'DISK_TOO_SMALL', 'RUNTIME_UNFIT', 'RUNTIME_UNKNOWN'],
    ...['STATE_IN_USE', 'STATE_NEWER', 'STATE_OLDER', 'STATE_READ_ONLY', 'STATE_UNREADABLE', 'FENCED'],
  ],
};

const CLASSES: ReadonlyMap<string, FaultClass> = new Map(
  (Object.keys(CODES) as FaultClass[]).flatMap((kind) => CODES[kind].map((code) => [code, kind] as const)),
);

/** Null: nobody has thought about this code yet. */
export function classOfCode(code: string): FaultClass | null {
  return CLASSES.get(code) ?? null;
}

/** Of an error during an attempt. One that nobody thought about may be gone next time; how often that is hoped is bounded. */
export function classOf({ kind, code }: Pick<OrchestrateError, 'kind' | 'code'>): FaultClass {
  return kind === 'usage' ? 'permanent' : (classOfCode(code) ?? 'infrastructure');
}

/** What becomes of a task whose attempt was lost. */
export type AfterLoss =
  | { readonly taskState: 'queued'; readonly notBefore: string | null; readonly reason: string }
  | { readonly taskState: 'failed'; readonly notBefore: null; readonly reason: string };

/** What happened to the attempts before. */
export interface Loss {
  readonly code: string;
  readonly kind: OrchestrateError['kind'];
  /** One sentence. */
  readonly message: string;
  /** What a person can do. */
  readonly hint?: string | undefined;
  /** Faults of the attempts right before that were lost too, the newest first; null: written by a version that did not say. */
  readonly earlier: readonly (string | null)[];
}

/** @param random from 0 to 1, as Math.random */
export function afterLoss(loss: Loss, now: Date, random: () => number): AfterLoss {
  const { code, message, hint, earlier } = loss;
  if (code === COORDINATOR_KILLED) {
    const before = earlier.filter((fault) => fault === COORDINATOR_KILLED).length;
    if ((before + 1) % MOST_COORDINATORS_KILLED > 0) return { taskState: 'queued', notBefore: null, reason: message };
    return failed(
      `${message}, ${MOST_COORDINATORS_KILLED} times in a row`,
      'see what kills it, then: orchestrate retry',
    );
  }
  if (classOf(loss) !== 'infrastructure') return failed(message, hint);
  const tries = triesInARow(earlier);
  const delay = RETRY_DELAYS_MS[tries];
  if (delay === undefined) return failed(`${message} (tried again ${tries} times)`, hint);
  const wait = delay * (1 + JITTER * (2 * random() - 1));
  return { taskState: 'queued', notBefore: new Date(now.getTime() + wait).toISOString(), reason: message };
}

/** A row ends where it was given up: what a person wants after that begins another one. Killed coordinators are no part of it. */
function triesInARow(earlier: Loss['earlier']): number {
  const faults = earlier.filter((fault) => fault !== COORDINATOR_KILLED);
  const given = faults.findIndex((fault) => fault !== null && classOfCode(fault) === 'permanent');
  return (given < 0 ? faults.length : given) % (RETRY_DELAYS_MS.length + 1);
}

function failed(message: string, hint?: string): AfterLoss {
  return { taskState: 'failed', notBefore: null, reason: hint === undefined ? message : `${message}: ${hint}` };
}

/** Our own errors; anything else is a bug and thrown on. */
export function faultOf(error: unknown): OrchestrateError {
  if (!(error instanceof OrchestrateError)) throw error;
  return error;
}
