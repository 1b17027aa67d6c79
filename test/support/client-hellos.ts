/** Real TLS ClientHellos, and the ways that a hostile client could send one. */

import { Duplex } from 'node:stream';
import { connect } from 'node:tls';

/** What Node's own TLS sends first. */
export async function clientHello(servername: string | null): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, callback) {
        resolve(chunk);
        callback();
      },
    });
    connect({ socket: wire, ...(servername === null ? {} : { servername }) }).once('error', reject);
  });
}

/** The same message in records of at most `size` bytes. */
export function inRecordsOf(size: number, hello: Buffer): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    const head = Buffer.from([22, 3, 1, 0, 0]);
    head.writeUInt16BE(part.length, 3);
    records.push(head, part);
  }
  return Buffer.concat(records);
}
