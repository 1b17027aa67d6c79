/** What a person has before them while they work on a plan, as data. Everything that a screen shows follows from it. */

import { z } from 'zod';
import type { PlanMessage } from '../../state/records.ts';
import { type Plan, type PlanTask, planSchema } from '../plan.ts';
import type { Reply, RoleCard } from '../planner.ts';
import type { StoredPlan } from '../stored.ts';
import type { Key } from './key.ts';

/** The texts of a task. */
export const TEXT_FIELDS = ['title', 'description', 'acceptance', 'files'] as const;
export type TextField = (typeof TEXT_FIELDS)[number];

const line = z.strictObject({ text: z.string(), caret: z.int().nonnegative() }).readonly();
const key = z.string();

const purposeSchema = z.discriminatedUnion('for', [
  z.strictObject({ for: z.literal('add') }).readonly(),
  z.strictObject({ for: z.literal('field'), key, field: z.enum(TEXT_FIELDS) }).readonly(),
  z.strictObject({ for: z.literal('pieces'), key }).readonly(),
  z.strictObject({ for: z.literal('merge'), key }).readonly(),
  z.strictObject({ for: z.literal('dependencies'), key }).readonly(),
  z.strictObject({ for: z.literal('ask') }).readonly(),
]);
/** What a text is typed for. */
export type Purpose = z.infer<typeof purposeSchema>;

const choiceSchema = z.discriminatedUnion('of', [
  z.strictObject({ of: z.literal('field'), key }).readonly(),
  z.strictObject({ of: z.literal('size'), key }).readonly(),
  z.strictObject({ of: z.literal('role'), key }).readonly(),
  z.strictObject({ of: z.literal('splitter'), key }).readonly(),
  z.strictObject({ of: z.literal('order'), key, titles: z.array(z.string()).readonly() }).readonly(),
]);
/** What is chosen from a list. */
export type Choice = z.infer<typeof choiceSchema>;

const modeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('browsing') }).readonly(),
  z.strictObject({ kind: z.literal('typing'), purpose: purposeSchema, line }).readonly(),
  z
    .strictObject({
      kind: z.literal('choosing'),
      choice: choiceSchema,
      index: z.int().nonnegative(),
      filter: z.string(),
    })
    .readonly(),
  z.strictObject({ kind: z.literal('moving'), key }).readonly(),
  z.strictObject({ kind: z.literal('approving') }).readonly(),
  /** A plan that the planner would have instead. */
  z.strictObject({ kind: z.literal('judging'), proposal: planSchema }).readonly(),
]);
/** What keys mean at the moment. */
export type Mode = z.infer<typeof modeSchema>;

export const VIEWS = ['tasks', 'discussion', 'phases', 'task', 'keys'] as const;
export type View = (typeof VIEWS)[number];

const workSchema = z
  .strictObject({ of: z.enum(['question', 'split']), key: key.nullable(), isStopping: z.boolean() })
  .readonly();
/** What the planner is at. */
export type Work = z.infer<typeof workSchema>;

/** What is kept so that another process shows the same screen. */
export const keptSchema = z
  .strictObject({
    selected: key.nullable(),
    marked: z.array(key).readonly(),
    view: z.enum(VIEWS),
    scroll: z.int().nonnegative(),
    mode: modeSchema,
    work: workSchema.nullable(),
  })
  .readonly();
export type Kept = z.infer<typeof keptSchema>;

export interface SessionState extends Kept {
  readonly stored: StoredPlan;
  readonly messages: readonly PlanMessage[];
  readonly notice: Notice | null;
}

export interface Notice {
  readonly kind: 'told' | 'refused';
  readonly text: string;
}

/** What the session has to know of its surroundings. */
export interface Setting {
  readonly roles: readonly RoleCard[];
  /** For a task that a person added. */
  readonly roleFor: (title: string) => { readonly role: string; readonly reason: string };
  /** Why the plan cannot be approved; empty: it can. */
  readonly errorsOf: (plan: Plan) => readonly string[];
}

export type Action =
  | { readonly type: 'key'; readonly key: Key }
  /** A change is on disk, or was undone: this is the plan now. `select`: the task to look at; null: the same as before. */
  | { readonly type: 'stored'; readonly stored: StoredPlan; readonly select: string | null }
  /** Somebody else changed it in the meantime: nothing was done, and this is the plan now. */
  | { readonly type: 'elsewhere'; readonly stored: StoredPlan }
  | { readonly type: 'said'; readonly messages: readonly PlanMessage[] }
  | { readonly type: 'replied'; readonly reply: Reply }
  | { readonly type: 'pieces'; readonly key: string; readonly pieces: readonly PlanTask[] }
  /** The planner did not answer; null: because the person stopped it. */
  | { readonly type: 'unanswered'; readonly reason: string | null }
  | { readonly type: 'refused'; readonly reason: string }
  /** What came back from the person's editor. */
  | { readonly type: 'edited'; readonly text: string }
  /** The text was shorter than assumed. */
  | { readonly type: 'scrolled'; readonly to: number };

/** What is to be done in the world; done in order, and each change before the next screen. */
export type Effect =
  | { readonly type: 'change'; readonly plan: Plan; readonly change: string; readonly select: string | null }
  | { readonly type: 'step'; readonly by: -1 | 1 }
  | { readonly type: 'say'; readonly from: 'you' | 'planner'; readonly text: string }
  | { readonly type: 'ask' }
  | { readonly type: 'split'; readonly key: string }
  | { readonly type: 'stop' }
  | { readonly type: 'edit'; readonly text: string }
  | { readonly type: 'approve' }
  | { readonly type: 'suspend' }
  | { readonly type: 'leave'; readonly how: 'saved' | 'interrupted' };

export interface Step {
  readonly state: SessionState;
  readonly effects: readonly Effect[];
}
