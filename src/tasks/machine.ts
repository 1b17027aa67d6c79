/**
 * The states of tasks, attempts and patches and the legal ways between them, as data. Nothing here acts; src/state/
 * asks `next` (or `eventBetween`) before every change.
 */

import type { PatchState, TaskState } from '../types.ts';

/** For each state the events that may happen in it, and the state each leads to. A state without events is final. */
export type Machine<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

export type TaskEvent =
  /** A coordinator took it from the queue. */
  | 'claimed'
  | 'paused'
  | 'resumed'
  | 'succeeded'
  | 'failed'
  /** Its attempt was lost through no fault of the agent: it waits for the next one. */
  | 'requeued'
  | 'cancelled'
  /** Something besides the agent stands in its way (a conflict between the results it builds on). */
  | 'blocked'
  /** All that it depends on succeeded. */
  | 'unblocked'
  /** Wanted once more, however it ended. */
  | 'retried'
  /** What was wanted once more is not wanted any more: an earlier result is what counts. */
  | 'withdrawn';

/** A task starts `queued`, or `blocked` while something it depends on has not succeeded. */
export const TASK_MACHINE: Machine<TaskState, TaskEvent> = {
  queued: { claimed: 'running', blocked: 'blocked', cancelled: 'cancelled', withdrawn: 'succeeded' },
  blocked: { unblocked: 'queued', cancelled: 'cancelled', withdrawn: 'succeeded' },
  running: {
    paused: 'paused',
    succeeded: 'succeeded',
    failed: 'failed',
    requeued: 'queued',
    cancelled: 'cancelled',
    blocked: 'blocked',
  },
  paused: { resumed: 'running', succeeded: 'succeeded', failed: 'failed', requeued: 'queued', cancelled: 'cancelled' },
  succeeded: { retried: 'queued' },
  failed: { retried: 'queued' },
  cancelled: { retried: 'queued' },
};

export const ATTEMPT_STATES = ['creating', 'running', 'collecting', 'ended'] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];
export type AttemptEvent = 'started' | 'collecting' | 'ended';

/** An attempt starts `creating`: the intent is on disk before its container exists. How it ended is its outcome. */
export const ATTEMPT_MACHINE: Machine<AttemptState, AttemptEvent> = {
  creating: { started: 'running', ended: 'ended' },
  running: { collecting: 'collecting', ended: 'ended' },
  collecting: { ended: 'ended' },
  ended: {},
};

export type PatchEvent =
  | 'approved'
  | 'rejected'
  | 'changes-requested'
  | 'merged'
  /** A patch that it builds on was rejected or amended. */
  | 'upstream-changed'
  /** The merge queue could not merge it. */
  | 'conflicted'
  /** A check was red on the merged tree. */
  | 'set-aside'
  /** Wanted again: restacked, or for another look. */
  | 'reopened';

/**
 * A patch starts `pending`, or `salvaged` where its attempt did not succeed. People may change their mind until it is
 * merged; what was not approved merges only by their own `patch apply --unreviewed`.
 */
export const PATCH_MACHINE: Machine<PatchState, PatchEvent> = {
  pending: {
    approved: 'approved',
    rejected: 'rejected',
    'changes-requested': 'changes-requested',
    merged: 'merged',
    'upstream-changed': 'stale',
  },
  approved: {
    rejected: 'rejected',
    'changes-requested': 'changes-requested',
    merged: 'merged',
    'upstream-changed': 'stale',
    conflicted: 'conflict',
    'set-aside': 'set-aside',
    reopened: 'pending',
  },
  rejected: { approved: 'approved', reopened: 'pending' },
  // Its task is done again whatever changes below it, and starts from what is there then.
  'changes-requested': { approved: 'approved', rejected: 'rejected', reopened: 'pending' },
  stale: { rejected: 'rejected', reopened: 'pending' },
  conflict: {
    approved: 'approved',
    rejected: 'rejected',
    'changes-requested': 'changes-requested',
    merged: 'merged',
    'upstream-changed': 'stale',
    reopened: 'pending',
  },
  'set-aside': {
    approved: 'approved',
    rejected: 'rejected',
    'changes-requested': 'changes-requested',
    merged: 'merged',
    'upstream-changed': 'stale',
    reopened: 'pending',
  },
  salvaged: {
    approved: 'approved',
    rejected: 'rejected',
    'changes-requested': 'changes-requested',
    merged: 'merged',
  },
  merged: {},
};

/** Of a patch that other tasks may be started from: a rejected result must not come back through what stood on it. */
export const USABLE_RESULTS: readonly PatchState[] = [
  'pending',
  'approved',
  'merged',
  'conflict',
  'set-aside',
  'changes-requested',
];

/** The state that `event` leads to from `state`, or null where that is not legal. */
export function next<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  state: State,
  event: Event,
): State | null {
  return machine[state][event] ?? null;
}

/** The event that leads from one state to the other in one step, or null where there is none. */
export function eventBetween<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  from: State,
  to: State,
): Event | null {
  const ways = machine[from];
  return (Object.keys(ways) as Event[]).find((event) => ways[event] === to) ?? null;
}
