/**
 * Between the agent's output and the container's log. The agent writes into pipes (real ones: programs open /dev/stderr),
 * this process writes what it reads there to its own stdout, framed and paced, and never blocks on it.
 */

import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { Backlog, PACE } from './backlog.ts';
import { type Ending, encodeFrame, type OutputFrame, type OutputStream } from './frames.ts';

const MKFIFO = '/opt/orchestrate/bin/mkfifo';
/** Where pipes are made, and at once unlinked; the first that can be written to. */
const FOLDERS = ['/run', '/tmp', '.'];
const STDOUT = 1;
/** A pipe holds no more than this, unless somebody with privileges made it larger. */
const PIPE_BYTES = 1024 ** 2;
/** Handed to the kernel at once. */
const BATCH_BYTES = 64 * 1024;
/** After that, an engine that takes no output any more is not waited for; many that print at once share its pace. */
const FINISH_MS = 30_000;

interface Pipe {
  readonly stream: OutputStream;
  readonly reader: number;
  readonly writer: number;
}

export class Relay {
  readonly #backlog = new Backlog(PACE, performance.now());
  readonly #pipes: readonly (Pipe & { readonly source: Socket })[];
  readonly #log = new Socket({ fd: STDOUT, readable: false, writable: true });
  /** Waits for the log or for the pace. */
  #isWaiting = false;
  #isFinishing = false;

  /** @param oneStream stdout and stderr are one pipe, so that what is written to them stays in order */
  constructor(oneStream: boolean) {
    const pipes = makePipes(oneStream ? ['stdout'] : ['stdout', 'stderr']);
    this.#pipes = pipes.map((pipe) => ({ ...pipe, source: this.#read(pipe) }));
    // Nobody reads the log any more: the container is being taken away.
    this.#log.on('error', () => {});
  }

  /** The agent's standard streams. */
  get stdio(): ['ignore', number, number] {
    const [out, errors = out] = this.#pipes.map((pipe) => pipe.writer);
    if (out === undefined || errors === undefined) throw new Error('no pipes');
    return ['ignore', out, errors];
  }

  /** To be called once the agent has its streams: then their end is seen. */
  started(): void {
    for (const { writer } of this.#pipes) closeSync(writer);
  }

  /** Adds a line of ours to what the agent wrote. */
  say(line: string): void {
    this.#add('stderr', Buffer.from(`orchestrate: ${line}\n`));
  }

  /** Passes on what is still there, the pace notwithstanding, and nothing after it. Takes at most 30 seconds. */
  finish(ending: Ending): Promise<void> {
    this.#isFinishing = true;
    for (const { stream, reader, source } of this.#pipes) {
      source.pause();
      // What it read while the agent had to wait; the listener gets it.
      while (source.read() !== null);
      // Ended, its file is closed, and the number may be another one's.
      if (!source.destroyed) for (const data of restOf(reader)) this.#backlog.add(stream, data);
    }
    for (let frame = this.#backlog.takeAnyway(); frame !== null; frame = this.#backlog.takeAnyway()) this.#write(frame);
    return new Promise((resolve) => {
      setTimeout(resolve, FINISH_MS);
      this.#log.write(encodeFrame(this.#backlog.end(ending)), () => resolve());
    });
  }

  #read({ stream, reader }: Pipe): Socket {
    const source = new Socket({ fd: reader, readable: true, writable: false });
    source.on('data', (data: Buffer) => this.#add(stream, data));
    source.on('error', () => {});
    return source;
  }

  #add(stream: OutputStream, data: Buffer): void {
    this.#backlog.add(stream, data);
    if (this.#backlog.isFull) for (const { source } of this.#pipes) source.pause();
    this.#pump();
  }

  #pump(): void {
    if (this.#isFinishing) return;
    while (!this.#isWaiting && !this.#backlog.isEmpty) {
      const frame = this.#backlog.take(performance.now());
      if (frame === null) this.#waitForPace();
      else if (!this.#write(frame)) this.#waitForLog();
    }
    if (!this.#backlog.isFull) for (const { source } of this.#pipes) source.resume();
  }

  #write(frame: OutputFrame): boolean {
    this.#log.write(encodeFrame(frame));
    return this.#log.writableLength < BATCH_BYTES;
  }

  #waitForLog(): void {
    this.#isWaiting = true;
    this.#log.once('drain', () => this.#goOn());
  }

  #waitForPace(): void {
    this.#isWaiting = true;
    setTimeout(() => this.#goOn(), this.#backlog.waitMs(performance.now()));
  }

  #goOn(): void {
    this.#isWaiting = false;
    this.#pump();
  }
}

function makePipes(streams: readonly OutputStream[]): Pipe[] {
  const folder = makeFolder();
  try {
    const names = streams.map((stream) => `${folder}/${stream}`);
    execFileSync(MKFIFO, ['-m', '600', ...names]);
    return streams.map((stream, index) => {
      const name = names[index] ?? '';
      const reader = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
      return { stream, reader, writer: openSync(name, constants.O_WRONLY) };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function makeFolder(): string {
  const problems: unknown[] = [];
  for (const folder of FOLDERS) {
    try {
      return mkdtempSync(`${folder}/output-`);
    } catch (error) {
      problems.push(error);
    }
  }
  throw new AggregateError(problems, 'no folder for pipes');
}

/** What a pipe holds at this moment. */
function* restOf(fd: number): Generator<Buffer> {
  for (let left = PIPE_BYTES; left > 0; ) {
    const data = Buffer.allocUnsafe(BATCH_BYTES);
    let length: number;
    try {
      length = readSync(fd, data);
    } catch {
      // EAGAIN: no more for now. EBADF: it had ended and was closed.
      return;
    }
    if (length === 0) return;
    left -= length;
    yield data.subarray(0, length);
  }
}
