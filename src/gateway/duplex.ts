/** A call's two streams as one, for what wants a connection. */

import { Duplex } from 'node:stream';

interface Streams {
  /** The next chunk, null at the end. */
  readonly read: () => Promise<Buffer | null>;
  /** Resolves when more may be written. */
  readonly write: (chunk: Buffer) => Promise<void>;
  /** Says that nothing more is written. */
  readonly end: () => void;
  /** Called once, when the connection is over or given up. */
  readonly close: () => void;
}

export function duplexOver({ read, write, end, close }: Streams): Duplex {
  const duplex: Duplex = new Duplex({
    read() {
      read().then(
        (chunk) => duplex.push(chunk),
        (error) => duplex.destroy(error),
      );
    },
    write(chunk: Buffer, _encoding, done) {
      write(chunk).then(() => done(), done);
    },
    final(done) {
      end();
      done();
    },
    destroy(error, done) {
      close();
      done(error);
    },
  });
  // Whoever reads or writes sees it; nobody else has to listen.
  duplex.on('error', () => {});
  return duplex;
}
