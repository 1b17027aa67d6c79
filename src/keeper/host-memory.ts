/** The memory of the machine that this runs on: a container sees its host's figures here, and not its own limit. */

import { readFile } from 'node:fs/promises';

/** Bytes; `free` is what could be had without swapping. Null where the kernel does not say. */
export async function hostMemory(): Promise<{ readonly free: number; readonly total: number } | null> {
  // proc(5): lines such as `MemAvailable:   23107 kB`.
  const meminfo = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const bytesOf = (name: string): number | null => {
    const kibibytes = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(meminfo)?.[1];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
  };
  const [free, total] = [bytesOf('MemAvailable'), bytesOf('MemTotal')];
  return free === null || total === null ? null : { free, total };
}
