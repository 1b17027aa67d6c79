/** Names and labels of every Docker object that is ours: how a later process finds what an earlier one left. */

export type ObjectKind = 'agent' | 'keeper' | 'gateway' | 'check' | 'setup' | 'placement' | 'store' | 'cache';

export const LABEL = 'orchestrate';
export const KIND_LABEL = 'orchestrate.kind';
export const RUN_LABEL = 'orchestrate.run';
export const ATTEMPT_LABEL = 'orchestrate.attempt';
/** Version of the labels' meaning, for newer versions that meet older objects. */
const SCHEMA_LABEL = 'orchestrate.schema';

/** What the probe of an engine's workspaces found out: `overlay` or `copy`. */
export const PROBED_LABEL = 'orchestrate.workspace';
/** What the probe of a runtime found out, as JSON. */
export const RUNTIME_LABEL = 'orchestrate.runtime';

/** Owner of what all repositories of an engine share (toolbox volume, images). */
export const SHARED = 'shared';

/** The image that people make with images/base/build.sh where no registry answers: no run could make it again. */
export const LOCAL_BASE = 'orchestrate-base';

/** An image of the user's that was sent to a host, tagged by its content. It has the labels that it came with. */
export const SENT_IMAGE = 'orchestrate-sent';

/**
 * What a placement's image is called on every node of a Swarm, without its tag. Nodes ask a registry for whatever is named
 * by a tag, whether they have it or not: this one is nowhere (nothing can listen on port 0), so that it is known at once and
 * the node takes its own.
 */
export const PLACEMENT_NAME = '127.0.0.1:0/orchestrate-placement';

/** Names, without tags, of the images that runs make. Whatever people build on one of them inherits its labels. */
export const MADE_IMAGES: readonly string[] = [
  ...['orchestrate-agent', 'orchestrate-sidecar', 'orchestrate-toolbox', 'orchestrate-setup', 'orchestrate-dockerfile'],
  ...[SENT_IMAGE, PLACEMENT_NAME],
];

/** `owner` is the repository's installation id, or SHARED. */
export function labels(
  owner: string,
  kind: ObjectKind,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return { [LABEL]: owner, [KIND_LABEL]: kind, [SCHEMA_LABEL]: '1', ...more };
}

export function storeVolumeName(installation: string): string {
  return `orchestrate-${installation}-store`;
}

/** A guest lays out its tree in a store of its own: two keepers cannot share one. It goes with the guest's keeper. */
export function guestStoreName(installation: string, guest: string): string {
  return `orchestrate-${installation}-store-${guest.toLowerCase()}`;
}

export function keeperName(installation: string, run: string): string {
  return `orchestrate-${installation}-keeper-${run.toLowerCase()}`;
}

/** One per repository: the next run finds it again, and so do the agents of the one before. A guest has one of its own. */
export function gatewayName(installation: string, guest: string | null): string {
  const name = `orchestrate-${installation}-gateway`;
  return guest === null ? name : `${name}-${guest.toLowerCase()}`;
}

/** Of a run's check, whose `id` is its alone within the run (or the guest) that does it; no agent's name ends like this. */
export function checkName(installation: string, run: string, id: string): string {
  return `orchestrate-${installation}-${id}-${run.toLowerCase()}`;
}

/** Deterministic, so that a creation whose reply was lost is met again as a name conflict. */
export function agentName(installation: string, task: string, n: number): string {
  return `orchestrate-${installation}-${task}.${n}`;
}
