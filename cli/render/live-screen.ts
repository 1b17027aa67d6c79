/** The live screen of a run: what happened scrolls by above; below, redrawn in place, the agents and the queue. */

import type { OrchestrateEvent } from '../../src/events.ts';
import { sanitiseLine } from '../../src/sanitise.ts';
import { eventLine } from './event-line.ts';
import { cut } from './fit.ts';
import { age, clock } from './text.ts';

/** As much of a terminal as is needed. */
export interface Screen {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

interface Agent {
  readonly title: string;
  readonly since: number;
  said: string;
}

const REDRAW_MS = 100;
const TICK_MS = 1000;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR_BELOW = '\r\x1b[J';
const BAR_WIDTH = 20;
/** Of a chunk of output only the end can be the last line. */
const TAIL_LENGTH = 2048;

export class LiveScreen {
  readonly #out: Screen;
  readonly #agents = new Map<string, Agent>();
  readonly #news: string[] = [];
  readonly #tick: NodeJS.Timeout;
  #redraw: NodeJS.Timeout | null = null;
  #drawn = 0;
  #total = 0;
  #done = 0;
  #isClosed = false;
  // A process that ends in the middle must not leave the terminal without its cursor.
  readonly #onExit = (): void => void this.#out.write(SHOW_CURSOR);

  constructor(out: Screen) {
    this.#out = out;
    out.write(HIDE_CURSOR);
    process.once('exit', this.#onExit);
    this.#tick = setInterval(() => this.#draw(), TICK_MS);
    this.#tick.unref();
  }

  show(event: OrchestrateEvent): void {
    this.know(event);
    const line = event.type === 'agent.output' ? null : eventLine(event);
    if (line !== null) this.#news.push(`${clock(event.at)} ${line}`);
    this.#drawSoon();
  }

  /** A line for people that is no event, above what is redrawn. */
  say(line: string): void {
    this.#news.push(sanitiseLine(line));
    this.#drawSoon();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#tick);
    if (this.#redraw !== null) clearTimeout(this.#redraw);
    process.off('exit', this.#onExit);
    this.#out.write(`${this.#erase()}${this.#takeNews()}${SHOW_CURSOR}`);
  }

  /** What an event says of the agents and the queue, without telling it. */
  know(event: OrchestrateEvent): void {
    if (event.type === 'run.started') this.#total = event.tasks;
    if (event.type === 'task.started') {
      this.#agents.set(event.task, { title: sanitiseLine(event.title), since: Date.parse(event.at), said: '' });
    }
    if (event.type === 'agent.output') this.#hear(event.task, event.text);
    if (event.type === 'task.ended' || event.type === 'task.blocked') {
      this.#agents.delete(event.task);
      if (event.type === 'task.ended' && event.status !== 'queued') this.#done += 1;
    }
  }

  #hear(task: string, text: string): void {
    const agent = this.#agents.get(task);
    if (agent === undefined) return;
    const lines = text
      .slice(-TAIL_LENGTH)
      .split(/[\r\n]+/)
      .map(sanitiseLine);
    agent.said = lines.findLast((line) => line !== '') ?? agent.said;
  }

  #drawSoon(): void {
    this.#redraw ??= setTimeout(() => this.#draw(), REDRAW_MS);
  }

  #draw(): void {
    this.#redraw = null;
    if (this.#isClosed) return;
    const lines = this.#lines();
    this.#out.write(`${this.#erase()}${this.#takeNews()}${lines.map((line) => `${line}\n`).join('')}`);
    this.#drawn = lines.length;
  }

  /** Back to the first line that was drawn, and everything below it gone. */
  #erase(): string {
    const up = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A`;
    this.#drawn = 0;
    return up + CLEAR_BELOW;
  }

  #takeNews(): string {
    return this.#news
      .splice(0)
      .map((line) => `${line}\n`)
      .join('');
  }

  /** Never as high as the terminal: a line more would scroll, and what scrolled cannot be redrawn. */
  #lines(): string[] {
    const width = Math.max(20, (this.#out.columns ?? 80) - 1);
    const room = Math.max(1, (this.#out.rows ?? 24) - 3);
    const all = [...this.#agents].map(([task, agent]) => {
      const what = agent.said === '' ? agent.title : agent.said;
      return cut(`  ${task}  ${age(Date.now() - agent.since)}  ${what}`, width);
    });
    const shown = all.length <= room ? all : [...all.slice(0, room - 1), `  … and ${all.length - room + 1} more`];
    return [...shown, this.#bar()];
  }

  #bar(): string {
    const total = Math.max(this.#total, this.#done + this.#agents.size);
    const filled = total === 0 ? 0 : Math.round((BAR_WIDTH * this.#done) / total);
    const waiting = total - this.#done - this.#agents.size;
    return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${this.#done}/${total} done, ${this.#agents.size} at work, ${waiting} waiting`;
  }
}
