/** Small tar archives in memory, as the Engine API gives and takes them: one file out, a few in. */

const BLOCK = 512;

export interface TarFile {
  /** ASCII, at most 100 bytes; ends with `/` for a folder. */
  readonly name: string;
  readonly content: Buffer;
}

/** A ustar archive of root's files (0644) and folders (0755). */
export function packFiles(files: readonly TarFile[]): Buffer {
  const blocks = files.flatMap(({ name, content }) => [
    header(name, content.length),
    content,
    Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const isFolder = name.endsWith('/');
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  block.write(name, 0, 100, 'latin1');
  block.write(
    octal(isFolder ? 0o755 : 0o644, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(0, 12),
    100,
    'latin1',
  );
  block.write('        ', 148, 'latin1');
  block.write(isFolder ? '5' : '0', 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** The first ordinary file of an archive; null where there is none or the archive makes no sense. */
export function firstFile(archive: Buffer): Buffer | null {
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 136).replace(/[\0 ].*$/s, ''), 8);
    const type = String.fromCharCode(archive[at + 156] ?? 0);
    const start = at + BLOCK;
    if (Number.isNaN(size) || start + size > archive.length) return null;
    if (type === '0' || type === '\0') return archive.subarray(start, start + size);
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return null;
}
