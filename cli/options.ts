/** The options of each command as its action gets them, already checked. */

import type { WrittenFlags } from '../src/config/load.ts';
import type { PatchState, Priority } from '../src/types.ts';

export interface SubmitOptions {
  readonly description: string | null;
  readonly title: string | null;
  /** A path, or `-` for stdin. */
  readonly file: string | null;
  readonly batch: string | null;
  readonly agent: string | null;
  readonly priority: Priority;
  readonly dependsOn: readonly string[];
  /** Have the description planned, and queue the tasks of the plan. */
  readonly decompose: boolean;
  /** For decompose: who plans. As typed; they have been checked. */
  readonly settings: WrittenFlags;
  readonly dryRun: boolean;
}

export interface PlanOptions {
  /** The goal's file, or `-` for stdin. */
  readonly file: string | null;
  /** Approve the plan as it is. */
  readonly yes: boolean;
  /** The flags that are settings, as typed; they have been checked. */
  readonly settings: WrittenFlags;
  readonly trust: boolean;
}

export type PlanRunOptions = Pick<RunOptions, 'settings' | 'trust' | 'allowRedBase'>;

export interface RunOptions {
  /** The short way: queue this task, work it alone, show its patch, offer to apply it. */
  readonly description: string | null;
  /** The specialist for `description`. */
  readonly agent: string | null;
  /** The flags that are settings, as typed; they have been checked. Pass them to `context.settings`. */
  readonly settings: WrittenFlags;
  readonly dryRun: boolean;
  readonly trust: boolean;
  /** Leave it to a process of its own, once it is ready. */
  readonly detach: boolean;
  /** Start all the same where a check fails on the base. */
  readonly allowRedBase: boolean;
}

export interface DemoOptions {
  /** Where to make the sample repository; null: a new temporary folder. */
  readonly directory: string | null;
}

export interface StatusOptions {
  readonly watch: boolean;
}

export interface LogsOptions {
  readonly raw: boolean;
  readonly follow: boolean;
}

export interface PatchListOptions {
  readonly status: readonly PatchState[];
}

export interface PatchShowOptions {
  readonly stat: boolean;
  readonly output: string | null;
  /** A numbered list of hunks for each file. */
  readonly hunks: boolean;
  /** What a person left out of it. */
  readonly rejected: boolean;
}

export interface PatchApproveOptions {
  /** Files and hunks, as typed. */
  readonly only: readonly string[];
  readonly except: readonly string[];
  readonly allPassing: boolean;
}

export interface PatchAmendOptions {
  /** A path, or `-` for stdin. */
  readonly file: string | null;
  /** What the agent left. */
  readonly original: boolean;
}

export interface MergeOptions {
  /** As typed; null: the current branch. */
  readonly into: string | null;
  readonly dryRun: boolean;
  /** Queue a task for each conflict. */
  readonly resolve: boolean;
  /** The flags that are settings, as typed; they have been checked. */
  readonly settings: WrittenFlags;
  readonly trust: boolean;
}

export interface PatchCheckOptions {
  /** The flags that are settings, as typed; they have been checked. */
  readonly settings: WrittenFlags;
  readonly trust: boolean;
}

export interface PatchApplyOptions {
  readonly branch: string | null;
  readonly commit: boolean;
  readonly withDependencies: boolean;
  readonly unreviewed: boolean;
}

export interface RequestChangesOptions {
  readonly message: string | null;
  /** A path, or `-` for stdin. */
  readonly file: string | null;
}

export interface NoteListOptions {
  /** As typed. */
  readonly task: string | null;
}

export interface NoteAddOptions {
  readonly text: string | null;
  /** A path, or `-` for stdin. */
  readonly file: string | null;
}

export interface KillOptions {
  readonly all: boolean;
}

export interface StopOptions {
  /** Stop the agents as well. */
  readonly now: boolean;
}

export interface ShellOptions {
  /** Lay out this patch's tree. */
  readonly patch: string | null;
  /** The flags that are settings, as typed; they have been checked. */
  readonly settings: WrittenFlags;
  readonly trust: boolean;
}

export interface RetryOptions {
  readonly fromSalvage: boolean;
}

export interface CleanupOptions {
  readonly caches: boolean;
  readonly all: boolean;
  readonly patches: boolean;
  readonly dryRun: boolean;
  readonly olderThanMs: number | null;
}

export interface ReportOptions {
  /** As typed. */
  readonly since: string | null;
  /** Where to write the page. */
  readonly html: string | null;
  readonly markdown: boolean;
}

export interface HostAddOptions {
  readonly name: string;
  readonly url: string;
  readonly tls: string | null;
  /** As typed. */
  readonly slots: string | null;
  readonly labels: readonly string[];
  readonly check: boolean;
}

export interface HostCheckOptions {
  /** As for `--host`; none: all. */
  readonly names: readonly string[];
  /** The flags that are settings, as typed; they have been checked. */
  readonly settings: WrittenFlags;
}
