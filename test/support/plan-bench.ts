/** A session on a real state without a screen: keys go in, and what it wants done is done, but by nobody who thinks. */

import { keptOf, openSession } from '../../src/plan/session/kept.ts';
import type { Key, KeyName } from '../../src/plan/session/key.ts';
import { reduce } from '../../src/plan/session/session.ts';
import type { Action, Effect, SessionState, Setting } from '../../src/plan/session/state.ts';
import { loadPlan, parsed } from '../../src/plan/stored.ts';
import type { State } from '../../src/state/state.ts';

const BENCH_SETTING: Setting = {
  roles: ['backend-systems-engineer', 'frontend-ui-engineer', 'test-engineer'].map((name) => ({
    name,
    description: `does ${name}`,
  })),
  roleFor: (title) => ({ role: /test/i.test(title) ? 'test-engineer' : 'backend-systems-engineer', reason: 'words' }),
  errorsOf: (plan) => plan.tasks.filter((task) => task.role === 'nobody').map((task) => `${task.key} has no agent`),
};

/** Names of keys in angle brackets, all else as typed: `atitle<enter>`. */
function keysOf(text: string): Key[] {
  return Array.from(
    text.matchAll(/<([a-z-]+)>|(.)/gsu),
    ([, name, letter]): Key =>
      name === undefined ? { kind: 'text', text: letter ?? '' } : { kind: 'press', name: name as KeyName },
  );
}

export class PlanBench {
  readonly #state: State;
  readonly #id: string;
  state: SessionState;
  /** What others would do, in order: questions, editors, leaving. */
  effects: Effect[] = [];

  constructor(state: State, id: string) {
    this.#state = state;
    this.#id = id;
    this.state = openSession(loadPlan(state, id), state.planMessages(id));
  }

  press(text: string): this {
    for (const key of keysOf(text)) this.act({ type: 'key', key });
    return this;
  }

  act(action: Action): this {
    const { state, effects } = reduce(this.state, action, BENCH_SETTING);
    this.state = state;
    for (const effect of effects) this.#perform(effect);
    this.#state.setPlanView(this.#id, keptOf(this.state));
    return this;
  }

  /** The same in another process. */
  reopened(): PlanBench {
    return new PlanBench(this.#state, this.#id);
  }

  get keys(): readonly string[] {
    return this.state.stored.plan.tasks.map((task) => task.key);
  }

  get notice(): string {
    return this.state.notice?.text ?? '';
  }

  #perform(effect: Effect): void {
    const { revision } = this.state.stored;
    if (effect.type === 'change') {
      const { plan, change, select } = effect;
      const record = this.#state.changePlan(this.#id, revision, { document: plan, change });
      if (record === null) this.act({ type: 'elsewhere', stored: loadPlan(this.#state, this.#id) });
      else this.act({ type: 'stored', stored: parsed(record), select });
    } else if (effect.type === 'step') {
      const record = this.#state.stepPlan(this.#id, revision, effect.by);
      if (record === null) this.act({ type: 'elsewhere', stored: loadPlan(this.#state, this.#id) });
      else this.act({ type: 'stored', stored: parsed(record), select: null });
    } else if (effect.type === 'say') {
      this.#state.addPlanMessage(this.#id, { from: effect.from, text: effect.text });
      this.act({ type: 'said', messages: this.#state.planMessages(this.#id) });
    } else this.effects.push(effect);
  }
}
