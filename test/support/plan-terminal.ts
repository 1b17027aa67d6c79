/** The screen of a plan on a terminal of a test's own, with a planner that says what the test tells it to. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Plan, PlanTask } from '../../src/plan/plan.ts';
import { loadPlan } from '../../src/plan/stored.ts';
import type { TaskRecord } from '../../src/state/records.ts';
import { openState } from '../../src/state/state.ts';
import { compiledProgram } from './compiled.ts';
import { TestTerminal } from './terminal.ts';

const PROGRAM = 'test/support/plan-screen-program';

/** What the planner does when it is asked. */
export interface Script {
  readonly reply?: { readonly text: string; readonly plan?: Plan };
  readonly pieces?: readonly PlanTask[];
  readonly error?: string;
  /** It answers only by being stopped. */
  readonly wait?: boolean;
}

export interface Opening {
  /** The terminal is a shell's that waits for the program: when the shell dies, the terminal is gone. */
  readonly underShell?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly columns?: number;
  readonly rows?: number;
}

export class PlanFolder implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'plan-screen-'));
  readonly #id: string;

  constructor(plan: Plan) {
    const state = openState(this.folder);
    this.#id = state.addPlan(plan.goal, { document: plan, change: 'plan' }).id;
    state.close();
  }

  get plan(): Plan {
    return this.#read((state) => loadPlan(state, this.#id).plan);
  }

  get queued(): readonly TaskRecord[] {
    return this.#read((state) => state.tasks());
  }

  script(script: Script): void {
    writeFileSync(path.join(this.folder, 'planner.json'), JSON.stringify(script));
  }

  /** Somebody else deletes the first task. */
  changeElsewhere(): void {
    this.#read((state) => {
      const { plan, revision } = loadPlan(state, this.#id);
      state.changePlan(this.#id, revision, { document: { ...plan, tasks: plan.tasks.slice(1) }, change: 'elsewhere' });
    });
  }

  open({ env = {}, underShell = false, ...size }: Opening = {}): TestTerminal {
    const args = [compiledProgram(PROGRAM), this.folder];
    const started = underShell
      ? { file: '/bin/sh', args: ['-c', '"$@"; exit', 'sh', process.execPath, ...args] }
      : { file: process.execPath, args };
    return new TestTerminal({
      ...{ ...started, cwd: this.folder, ...size },
      env: { PATH: process.env.PATH ?? '', HOME: this.folder, TERM: 'xterm-256color', ...env },
    });
  }

  file(name: string): string {
    return path.join(this.folder, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #read<T>(use: (state: ReturnType<typeof openState>) => T): T {
    const state = openState(this.folder);
    try {
      return use(state);
    } finally {
      state.close();
    }
  }
}
