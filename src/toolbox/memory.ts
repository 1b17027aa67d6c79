/** Whether memory ran out in this container, by the kernel's own count. */

import { readFileSync } from 'node:fs';

/**
 * Where the container's own control group shows, v2 and v1: lines of a name and a number, one of them `oom_kill`
 * (kernel: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst).
 */
const COUNTS = ['/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control'];

/** The kernel has killed a process of this container for want of memory; false too where it does not say. */
export function hasRunOutOfMemory(files: readonly string[] = COUNTS): boolean {
  return files.some((file) => /^oom_kill [1-9]/m.test(contentOf(file)));
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // The other version, or a runtime that shows none.
    return '';
  }
}
