/** One person's work on one plan: keys go into the session, what it wants is done, and what is there then is shown. */

import { OrchestrateError } from '../../src/errors.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Ground, Planner, RoleCard } from '../../src/plan/planner.ts';
import { keptOf, openSession } from '../../src/plan/session/kept.ts';
import type { Key } from '../../src/plan/session/key.ts';
import { reduce } from '../../src/plan/session/session.ts';
import type { Action, Effect, SessionState, Setting } from '../../src/plan/session/state.ts';
import { loadPlan, parsed, tasksOf } from '../../src/plan/stored.ts';
import { routeTask } from '../../src/roles/router.ts';
import { sanitiseLine } from '../../src/sanitise.ts';
import type { PlanRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { Price } from '../../src/types.ts';
import type { Terminal } from '../context.ts';
import { editedOutside } from '../editor.ts';
import type { AppProps } from './app.tsx';
import { Figures } from './figures.ts';
import { Frames } from './frames.tsx';
import { inputRows } from './input-rows.ts';
import { KeyboardScreen } from './keyboard-screen.ts';
import { layoutOf } from './layout.ts';
import type { Place } from './painter.ts';
import { paneOf } from './pane.ts';
import type { Seen } from './views/seen.ts';

export type Ending = 'approved' | 'saved' | 'interrupted';

export interface PlanTerminal extends Terminal {
  /** Whether it may have colours. */
  readonly colour: boolean;
}

export interface PlanScreenOptions {
  readonly state: State;
  /** Of a plan that is in the state. */
  readonly id: string;
  readonly planner: Planner;
  readonly ground: Ground;
  /** Of the model that the agents will use; null: it is not known, or none is used. */
  readonly price: Price | null;
  readonly roles: readonly RoleCard[];
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const SPINNER_MS = 120;

export class PlanScreen implements Disposable {
  readonly #terminal: PlanTerminal;
  readonly #options: PlanScreenOptions;
  readonly #setting: Setting;
  readonly #screen: KeyboardScreen;
  readonly #frames = new Frames();
  /** How it ended. @throws what a view threw */
  readonly ending: Promise<Ending>;
  #resolve: (how: Ending) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  readonly #figures = new WeakMap<Plan, Figures>();
  #state: SessionState;
  #kept: string | null = null;
  #work: AbortController | null = null;
  #tick: NodeJS.Timeout | null = null;
  #turn = 0;
  #isOver = false;

  constructor(terminal: PlanTerminal, options: PlanScreenOptions) {
    this.#terminal = terminal;
    this.#options = options;
    this.ending = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#state = openSession(loadPlan(options.state, options.id), options.state.planMessages(options.id));
    this.#setting = {
      roles: options.roles,
      roleFor: (title) => routeTask({ title }, options.roles),
      errorsOf: (plan) => this.#figuresOf(plan).errors,
    };
    this.#screen = new KeyboardScreen(terminal, {
      onKeys: (keys) => this.#guarded(() => this.#onKeys(keys)),
      onResize: () => this.#guarded(() => this.#draw()),
      onEnd: () => this.#end('interrupted'),
    });
    this.#guarded(() => this.#draw());
  }

  [Symbol.dispose](): void {
    this.#end('interrupted');
    this.#screen[Symbol.dispose]();
    this.#frames.close();
  }

  #end(how: Ending): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#tick !== null) clearInterval(this.#tick);
    this.#work?.abort();
    this.#resolve(how);
  }

  #guarded(act: () => void): void {
    try {
      if (!this.#isOver) act();
    } catch (error) {
      this.#isOver = true;
      this.#reject(error);
    }
  }

  #onKeys(keys: readonly Key[]): void {
    for (const key of keys) {
      if (this.#isOver) return;
      if (key.kind === 'press' && key.name === 'ctrl-l') this.#screen.forget();
      this.#do({ type: 'key', key });
    }
    this.#show();
  }

  #do(action: Action): void {
    const { state, effects } = reduce(this.#state, action, this.#setting);
    this.#state = state;
    for (const effect of effects) {
      try {
        this.#perform(effect);
      } catch (error) {
        // What could not be stored was not done; what was there before is still there.
        this.#do({ type: 'refused', reason: wordsOf(error) });
      }
    }
  }

  #perform(effect: Effect): void {
    const { state, id } = this.#options;
    const { revision } = this.#state.stored;
    switch (effect.type) {
      case 'change': {
        const { plan, change, select } = effect;
        this.#changed(state.changePlan(id, revision, { document: plan, change }), select);
        break;
      }
      case 'step':
        this.#changed(state.stepPlan(id, revision, effect.by), null);
        break;
      case 'say':
        state.addPlanMessage(id, { from: effect.from, text: effect.text });
        this.#do({ type: 'said', messages: state.planMessages(id) });
        break;
      case 'ask':
        void this.#ask();
        break;
      case 'split':
        void this.#split(effect.key);
        break;
      case 'stop':
        this.#work?.abort();
        break;
      case 'edit':
        void this.#edit(effect.text);
        break;
      case 'suspend':
        void this.#screen.suspend().then(() => this.#guarded(() => this.#draw()));
        break;
      case 'approve':
        this.#approve();
        break;
      case 'leave':
        try {
          this.#keep();
        } finally {
          this.#end(effect.how);
        }
    }
  }

  #changed(record: PlanRecord | null, select: string | null): void {
    const { state, id } = this.#options;
    if (record === null) this.#do({ type: 'elsewhere', stored: loadPlan(state, id) });
    else this.#do({ type: 'stored', stored: parsed(record), select });
  }

  #approve(): void {
    const { state, id } = this.#options;
    const { revision, plan } = this.#state.stored;
    if (state.approvePlan(id, revision, tasksOf(plan)) === null) this.#changed(null, null);
    else this.#end('approved');
  }

  async #ask(): Promise<void> {
    const { planner, ground } = this.#options;
    const { stored, messages } = this.#state;
    await this.#working(async (signal) => {
      const reply = await planner.discuss(ground, stored.plan, messages, signal);
      return { type: 'replied', reply };
    });
  }

  async #split(key: string): Promise<void> {
    const { planner, ground } = this.#options;
    const { plan } = this.#state.stored;
    await this.#working(async (signal) => {
      const task = plan.tasks.find((one) => one.key === key);
      if (task === undefined) return { type: 'unanswered', reason: `There is no task ${key} any more.` };
      return { type: 'pieces', key, pieces: await planner.split(ground, plan, task, signal) };
    });
  }

  async #working(work: (signal: AbortSignal) => Promise<Action>): Promise<void> {
    const controller = new AbortController();
    this.#work = controller;
    this.#tick = setInterval(() => this.#guarded(() => this.#draw()), SPINNER_MS);
    const answer = await work(controller.signal).catch(
      (error: unknown): Action => ({
        type: 'unanswered',
        reason: controller.signal.aborted ? null : wordsOf(error),
      }),
    );
    clearInterval(this.#tick);
    this.#work = null;
    this.#guarded(() => {
      this.#do(answer);
      this.#show();
    });
  }

  async #edit(text: string): Promise<void> {
    const action = await this.#screen
      .lend(async (): Promise<Action> => ({ type: 'edited', text: await editedOutside(text, this.#terminal) }))
      .catch((error: unknown): Action => ({ type: 'refused', reason: wordsOf(error) }));
    this.#guarded(() => {
      this.#do(action);
      this.#show();
    });
  }

  /** What is seen can be seen again, whatever happens to this process: kept first, then shown. */
  #show(): void {
    if (this.#isOver) return;
    try {
      this.#keep();
    } catch (error) {
      this.#do({ type: 'refused', reason: wordsOf(error) });
    }
    this.#draw();
  }

  #keep(): void {
    const kept = keptOf(this.#state);
    const text = JSON.stringify(kept);
    if (text === this.#kept) return;
    this.#options.state.setPlanView(this.#options.id, kept);
    this.#kept = text;
  }

  #draw(): void {
    const layout = layoutOf(this.#state, this.#screen.size, this.#setting);
    this.#turn += 1;
    const seen = this.#seen();
    const pane = paneOf(seen, layout);
    if (this.#state.scroll > pane.end) this.#do({ type: 'scrolled', to: pane.end });
    const props: AppProps = { seen, layout, pane, isStyled: this.#terminal.colour };
    this.#screen.paint(this.#frames.draw(props), this.#caretOf(props));
  }

  #seen(): Seen {
    const { mode, stored } = this.#state;
    return {
      state: this.#state,
      figures: this.#figuresOf(stored.plan),
      proposed: mode.kind === 'judging' ? this.#figuresOf(mode.proposal) : null,
      setting: this.#setting,
      plannerName: sanitiseLine(this.#options.planner.name),
      spinner: SPINNER[this.#turn % SPINNER.length] ?? '',
    };
  }

  #figuresOf(plan: Plan): Figures {
    const known = this.#figures.get(plan);
    if (known !== undefined) return known;
    const { roles, price } = this.#options;
    const figures = new Figures(
      plan,
      roles.map(({ name }) => name),
      price,
    );
    this.#figures.set(plan, figures);
    return figures;
  }

  #caretOf({ layout }: AppProps): Place | null {
    const { mode } = this.#state;
    if (mode.kind !== 'typing') return null;
    const { caret } = inputRows(mode.line, layout.width, Math.max(1, layout.input - 1));
    const body = layout.isBeside ? layout.list : layout.list + layout.pane;
    return { row: layout.header + body + layout.notice + 1 + caret.row, column: caret.column };
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof OrchestrateError)
    return error.hint === undefined ? error.message : `${error.message} ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}
