/**
 * The Engine API's multiplexed streams (an 8-byte header before each piece of stdout or stderr), taken apart iteratively.
 * docker-modem's own `demuxStream` recurses once per frame and overflows the stack on thousands of tiny ones.
 */

import { Duplex } from 'node:stream';
import type { Container } from 'dockerode';
import type { OutputChunk } from '../sandbox.ts';

const HEADER_BYTES = 8;
const STDERR = 2;
/** What the engine itself has to say, as that it could not decode an entry while it was being written. */
const SYSTEM = 3;

/**
 * Splits raw bytes into frames. Feeding is incremental: a frame larger than what has arrived is passed on in pieces,
 * so memory is bounded by the size of one network read.
 */
export class FrameSplitter {
  #header = Buffer.alloc(0);
  #stream: OutputChunk['stream'] | null = 'stdout';
  #left = 0;

  /** The pieces of output that `bytes` brings; the engine's stdin echo (stream 0) counts as stdout, its own words do not. */
  *feed(bytes: Buffer): Generator<OutputChunk> {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const wanted = HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
        rest = rest.subarray(wanted);
        if (this.#header.length < HEADER_BYTES) return;
        const kind = this.#header[0];
        this.#stream = kind === SYSTEM ? null : kind === STDERR ? 'stderr' : 'stdout';
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const data = rest.subarray(0, this.#left);
      this.#left -= data.length;
      rest = rest.subarray(data.length);
      if (this.#stream !== null) yield { stream: this.#stream, data };
    }
  }
}

/** Reads a followed log with back-pressure: the engine's socket is read only as fast as the consumer takes chunks. */
export async function* demultiplex(source: AsyncIterable<unknown>): AsyncGenerator<OutputChunk> {
  const splitter = new FrameSplitter();
  for await (const bytes of source) yield* splitter.feed(bytes as Buffer);
}

/** Starts a program in one of our side-cars; its standard input and output as one stream, what it complains line by line. */
export async function openProgram(
  container: Container,
  program: { readonly argv: readonly string[]; readonly user?: string },
  onDiagnostic: (line: string) => void,
): Promise<Duplex> {
  const exec = await container.exec({
    Cmd: [...program.argv],
    ...(program.user === undefined ? {} : { User: program.user }),
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
  });
  const socket = await exec.start({ hijack: true, stdin: true });
  return execDuplex(socket, (data) => onDiagnostic(data.toString('utf8').trimEnd()));
}

/**
 * A plain byte stream over a hijacked exec: writes go to the program's stdin, reads come from its stdout.
 * Its stderr is handed to `onStderr`. The end of the program ends the read side.
 */
export function execDuplex(socket: Duplex, onStderr: (data: Buffer) => void): Duplex {
  const splitter = new FrameSplitter();
  const duplex = new Duplex({
    read() {
      socket.resume();
    },
    write(chunk: Buffer, _encoding, done) {
      if (socket.write(chunk)) done();
      else socket.once('drain', () => done());
    },
    final(done) {
      socket.end(() => done());
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (bytes: Buffer) => {
    let full = false;
    for (const chunk of splitter.feed(bytes)) {
      if (chunk.stream === 'stderr') onStderr(chunk.data);
      else if (!duplex.push(chunk.data)) full = true;
    }
    if (full) socket.pause();
  });
  socket.once('end', () => duplex.push(null));
  socket.once('close', () => {
    if (!duplex.readableEnded) duplex.push(null);
  });
  socket.once('error', (error) => duplex.destroy(error));
  return duplex;
}
