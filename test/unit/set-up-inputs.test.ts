import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRepository } from '../../src/git/repository.ts';
import type { SandboxHost } from '../../src/sandbox/sandbox.ts';
import { RunSetUp, type SetUpContext } from '../../src/tasks/set-up.ts';
import { setUpInputs } from '../../src/tasks/set-up-inputs.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

const COMMAND =
  'sh scripts/set-up.sh && cd "web" && ./tools/build; pip install -e . -r ../x/../y.txt folder/ <input.txt';
const FILES = {
  ...{ 'package-lock.json': 'a', 'deep/er/yarn.lock': 'a', 'requirements-dev.txt': 'a', '.nvmrc': 'a' },
  ...{ 'scripts/set-up.sh': 'a', 'tools/build': 'a', 'input.txt': 'a', 'db/one.sql': 'a', 'db/more/two.sql': 'a' },
  ...{ 'web/index.html': 'a', 'folder/file': 'a', 'src/main.ts': 'a', 'package.json': 'a', 'scripts/other.sh': 'a' },
};

let repository: ScratchRepository;
beforeEach(async () => {
  repository = await scratchRepository({ empty: true });
  for (const [name, content] of Object.entries(FILES)) await repository.write(name, content);
});
afterEach(() => repository.remove());

async function digest(inputs: readonly string[] = ['db/*.sql'], command = COMMAND): Promise<string> {
  await repository.commit();
  const tree = (await repository.id('HEAD^{tree}')) as ObjectId;
  return setUpInputs(await findRepository(repository.root, repository.env), tree, { command, inputs });
}

it('names the host who sets up again where somebody deletes what was set up', async () => {
  await repository.commit();
  const looked: string[] = [];
  const again: (() => Promise<void>)[] = [];
  const host: Partial<SandboxHost> = {
    prepareTree: async () => {},
    async reuseSetUp({ command }) {
      looked.push(command);
      return true;
    },
    onSetUpLost: (act) => void again.push(act),
  };
  const [tree, commit] = [(await repository.id('HEAD^{tree}')) as ObjectId, (await repository.id('HEAD')) as ObjectId];
  const setUp = new RunSetUp({ command: 'npm ci', inputs: [] }, {
    repository: await findRepository(repository.root, repository.env),
    ...{ host: host as SandboxHost, base: { tree, commit }, onProgress: () => {} },
    bounds: { limits: { memoryBytes: 1, cpus: 1, pids: 1, diskBytes: 1 }, timeoutMs: 1 },
  } as Partial<SetUpContext> as SetUpContext);
  await setUp.make();
  await again[0]?.();
  expect(looked).toEqual(['npm ci', 'npm ci']);
});

describe('what a set-up depends on', () => {
  it.each([
    ...['package-lock.json', 'deep/er/yarn.lock', 'requirements-dev.txt', '.nvmrc', 'db/one.sql'],
    ...['scripts/set-up.sh', 'tools/build', 'input.txt', 'other/place/Cargo.lock'],
  ])('is %s', async (name) => {
    const before = await digest();
    await repository.write(name, 'b');
    expect(await digest()).not.toBe(before);
  });

  it.each([
    ...['web/index.html', 'folder/file', 'src/main.ts', 'package.json', 'scripts/other.sh', 'db/more/two.sql', 'y.txt'],
  ])('is not %s', async (name) => {
    const before = await digest();
    await repository.write(name, 'b');
    expect(await digest()).toBe(before);
  });

  it('is where a file lies, and whether it can be run', async () => {
    const before = await digest();
    await repository.write('scripts/set-up.sh', 'a', 0o755);
    const executable = await digest();
    await repository.git('mv', 'package-lock.json', 'web/package-lock.json');
    expect(new Set([before, executable, await digest()]).size).toBe(3);
  });

  it('takes anything for a command or a pattern', async () => {
    const odd = [
      '-- --output=/tmp/x -z',
      ':(exclude)*',
      `${'x '.repeat(500)}`,
      '\'\n\t"*?[a]\\ /etc/passwd ~ $HOME',
      '',
    ];
    for (const command of odd) expect(await digest(['**', '[a-', ':x', '*'], command)).toMatch(/^[0-9a-f]{64}$/);
  });
});
