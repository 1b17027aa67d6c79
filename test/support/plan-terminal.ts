/** The screen of a plan on a terminal of a test's own, with a planner that says what the test tells it to. */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import type { Plan, PlanTask } from '../../src/plan/plan.ts';
import { loadPlan } from '../../src/plan/stored.ts';
import type { TaskRecord } from '../../src/state/records.ts';
import { openState } from '../../src/state/state.ts';
import { TestTerminal } from './terminal.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PROGRAM = 'test/support/plan-screen-program';

let compiled: string | null = null;
afterAll(() => {
  if (compiled !== null) rmSync(compiled, { recursive: true, force: true });
  compiled = null;
});

/** The program as plain JavaScript, made once per test file: it starts in half the time, and these tests start many. */
function compiledProgram(): string {
  compiled ??= compile();
  return path.join(compiled, `${PROGRAM}.js`);
}

function compile(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'plan-screen-program-'));
  const config = {
    extends: path.join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      ...{ noEmit: false, outDir: folder, rootDir: ROOT, typeRoots: [path.join(ROOT, 'node_modules/@types')] },
    },
    ...{ files: [path.join(ROOT, `${PROGRAM}.ts`)], include: [] },
  };
  const file = path.join(folder, 'tsconfig.json');
  writeFileSync(file, JSON.stringify(config));
  execFileSync(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', file]);
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}\n');
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  cpSync(path.join(ROOT, 'src/state/migrations'), path.join(folder, 'src/state/migrations'), { recursive: true });
  return folder;
}

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
    const args = [compiledProgram(), this.folder];
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
