/** Where the installed package lies: image contexts are read from there, from source and compiled runs alike. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds `Dockerfile.agent`, `images/` and `dist/`. */
export function packageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'Dockerfile.agent'))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error('the installation is incomplete: Dockerfile.agent is missing');
    folder = parent;
  }
  return folder;
}
