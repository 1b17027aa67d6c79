/**
 * Moves a branch and the work tree that has it checked out as one step, in a process of its own session: once begun it goes
 * on when we are killed. What a killed machine leaves in between, `settleMove` mends.
 */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { isAncestor } from './ancestry.ts';
import { printablePath } from './bytes.ts';
import { foreignFilters, type Kept, keepAside, NO_FILTERS, putBack, type TreeMove } from './checkout.ts';
import { rawChanges } from './diff.ts';
import { gitError } from './git.ts';
import { restoreKept } from './kept-files.ts';
import { cannotWrite, privateGit } from './private-dir.ts';
import { type Repository, userGit } from './repository.ts';

export interface BranchMove {
  /** Full name of the ref that is checked out in `repo.root`; `HEAD` where it is detached. */
  readonly ref: string;
  readonly from: ObjectId;
  readonly to: ObjectId;
  /** For the reflog. */
  readonly message: string;
  readonly tree: TreeMove;
  /** A folder for this move alone, which need not exist; what is in it when we are killed is for `settleMove`. */
  readonly folder: string;
}

/** `moved`, or nothing was done: the branch was somewhere `elsewhere`, or another git process was at work (`locked`). */
export type MoveEnd = 'moved' | 'elsewhere' | 'locked';

/** How long a mover that outlived its coordinator is waited for. */
const MOVER_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

const [LOCKED, ELSEWHERE] = [10, 11];

/**
 * The index is locked first, under a name that says that it is ours, so that no other git changes it or leaves the branch
 * meanwhile. git works on a copy of it, in our folder; it takes the place of the index after the ref has moved.
 * Arguments: git's own options. Exit codes: LOCKED, ELSEWHERE; 12 nothing was done; 13 files were changed.
 */
const MOVER = `
set -u
cd "$MOVE_FOLDER" && printf '%s\\n' "$$" >"$MOVE_FOLDER/pid" && printf '%s\\n' "$MOVE_FOLDER" >"$MOVE_FOLDER/lock" || exit 12
exec 2>"$MOVE_FOLDER/error"
cd "$GIT_WORK_TREE" || exit 12
if ! ln "$MOVE_FOLDER/lock" "$MOVE_GIT_DIR/index.lock"; then
  [ -e "$MOVE_GIT_DIR/index.lock" ] && exit ${LOCKED}
  (set -C && cat "$MOVE_FOLDER/lock" >"$MOVE_GIT_DIR/index.lock") || exit ${LOCKED}
fi
end() { : >"$MOVE_FOLDER/done"; rm -f "$MOVE_GIT_DIR/index.lock"; exit "$1"; }
[ "$(git "$@" symbolic-ref -q HEAD || printf HEAD)" = "$MOVE_REF" ] || end ${ELSEWHERE}
[ "$(git "$@" rev-parse -q --verify "$MOVE_REF^0")" = "$MOVE_FROM" ] || end ${ELSEWHERE}
cp -p "$MOVE_GIT_DIR/index" "$MOVE_FOLDER/index" || end 12
export GIT_INDEX_FILE="$MOVE_FOLDER/index"
if ! git "$@" read-tree -m -u "$MOVE_OLD" "$MOVE_NEW"; then
  grep -q 'not uptodate' "$MOVE_FOLDER/error" || exit 13
  git "$@" update-index -q --really-refresh
  git "$@" read-tree -m -u "$MOVE_OLD" "$MOVE_NEW" || exit 13
fi
if ! git "$@" update-ref --no-deref -m "$MOVE_MESSAGE" "$MOVE_REF" "$MOVE_TO" "$MOVE_FROM"; then
  git "$@" read-tree -m -u "$MOVE_NEW" "$MOVE_OLD" || exit 13
  end ${ELSEWHERE}
fi
mv -f "$MOVE_FOLDER/index" "$MOVE_GIT_DIR/index" || exit 14
end 0
`;

/**
 * Moves the branch that is checked out here by compare-and-swap, its index and its files along. Local changes elsewhere in
 * the work tree stay; the caller has made sure that none is in the way. Throws what git says, after everything was put back;
 * ROLLBACK_FAILED names where the kept files are.
 */
export async function moveBranch(repo: Repository, move: BranchMove): Promise<MoveEnd> {
  const { folder, tree } = move;
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw cannotWrite(folder, error);
  });
  const kept = await keepWhole(repo, tree, join(folder, 'kept')).catch((error: unknown) => {
    throw cannotWrite(folder, error);
  });
  const exitCode = await runMover(repo, move, await foreignFilters(repo, tree.changes));
  if (exitCode === 0) return 'moved';
  if (exitCode === LOCKED) return 'locked';
  if (exitCode === ELSEWHERE) return 'elsewhere';
  const said = await readFile(join(folder, 'error'), 'utf8').catch(() => '');
  if (exitCode === 13) {
    await putBack(repo, tree.changes, kept).catch((problem: unknown) => {
      throw failure('ROLLBACK_FAILED', `The work tree could not be put back after git failed: ${said.trim()}`, {
        hint: `The files as they were are in ${kept.folder}, numbered from 0 as \`git diff-tree -r --no-renames --name-only ${tree.from} ${tree.to}\` lists them.`,
        cause: problem,
      });
    });
    await removeOwnLock(repo, folder);
  }
  // Ended by somebody, or the index could not take its place: what there is to mend is the same as after a crash.
  if (exitCode !== 12 && exitCode !== 13) {
    const settled = await settleMove(repo, { ...move, oldTree: tree.from, newTree: tree.to });
    if (settled.moved) return 'moved';
  }
  throw gitError(['read-tree'], { stderr: said, exitCode: 128 });
}

/** Under this name when all is copied: copies that were cut off must not take the place of anything. */
async function keepWhole(repo: Repository, { changes }: TreeMove, folder: string): Promise<Kept> {
  const { stats } = await keepAside(repo, changes, `${folder}.part`);
  await rename(`${folder}.part`, folder);
  return { folder, stats };
}

/** Resolves to the exit code, -1 where a signal ended it. */
async function runMover(repo: Repository, move: BranchMove, filters: readonly string[]): Promise<number> {
  const where = userGit(repo, 'write');
  const args = [...where.config.flatMap((entry) => ['-c', entry]), ...filters];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a reflog entry is one line
  const message = move.message.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 500);
  const mover = spawn('/bin/sh', ['-c', MOVER, nameOf(move.folder), ...args], {
    cwd: repo.root,
    detached: true,
    stdio: 'ignore',
    env: {
      ...{ ...where.env, ...NO_FILTERS, GIT_DIR: repo.gitDir, GIT_WORK_TREE: repo.root },
      ...{ MOVE_FOLDER: move.folder, MOVE_GIT_DIR: repo.gitDir, MOVE_REF: move.ref, MOVE_MESSAGE: message },
      ...{ MOVE_FROM: move.from, MOVE_TO: move.to, MOVE_OLD: move.tree.from, MOVE_NEW: move.tree.to },
    },
  });
  const ended = new Promise<number>((resolve, reject) => {
    mover.once('error', reject);
    mover.once('close', (code) => resolve(code ?? -1));
  });
  return await ended;
}

function nameOf(folder: string): string {
  return `orchestrate-move:${folder}`;
}

export interface CutOffMove extends Pick<BranchMove, 'ref' | 'from' | 'to' | 'folder'> {
  readonly oldTree: ObjectId;
  readonly newTree: ObjectId;
}

export interface SettledMove {
  /** Whether branch, index and files are at the new commit (or the branch went on from there). */
  readonly moved: boolean;
  /** Printable paths of files that are neither as they were nor as they were to be: somebody wrote them since. */
  readonly left: readonly string[];
}

/**
 * Mends what a move left that was cut off: waits for its mover where that is still at work, then branch, index and files
 * agree, on the new commit where the branch is there, else on the old one; and no lock of ours is left. Other locks stay.
 * Again does nothing. Failure MOVE_GOES_ON where the mover does not end.
 */
export async function settleMove(repo: Repository, move: CutOffMove): Promise<SettledMove> {
  const folder = await closedFolder(move.folder);
  const moved = await isAncestor(repo, move.to, move.ref);
  // It came to its end, whichever: what happened to the files since then is not of its doing.
  if (await isThere(join(folder, 'done'))) return { moved, left: [] };
  const isLocked = await hasOwnLock(repo, move.folder);
  // Without all copies the mover did not begin.
  if (!moved && !(await isThere(join(folder, 'kept')))) return { moved, left: [] };
  if (!moved) {
    const changes = await rawChanges(await privateGit(repo), move.oldTree, move.newTree);
    const left = await restoreKept(repo, changes, join(folder, 'kept'));
    if (isLocked) await removeOwnLock(repo, move.folder);
    return { moved, left: left.map(printablePath) };
  }
  if (isLocked) {
    const index = join(folder, 'index');
    if (await isThere(index)) await rename(index, join(repo.gitDir, 'index'));
    await removeOwnLock(repo, move.folder);
  }
  return { moved, left: [] };
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

/** Whether the index is locked, and the lock says that it is of this move. */
async function hasOwnLock(repo: Repository, folder: string): Promise<boolean> {
  const said = await readFile(join(repo.gitDir, 'index.lock'), 'utf8').catch(() => null);
  return said === `${folder}\n`;
}

async function removeOwnLock(repo: Repository, folder: string): Promise<void> {
  if (await hasOwnLock(repo, folder)) await rm(join(repo.gitDir, 'index.lock'), { force: true });
}

/** Under this name a mover that is only about to begin does not find its folder, and ends. */
async function closedFolder(folder: string): Promise<string> {
  const closed = `${folder}.closed`;
  await moverEnded(folder, folder);
  await rename(folder, closed).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await moverEnded(folder, closed);
  return closed;
}

/** `place`: where the folder is now. */
async function moverEnded(folder: string, place: string): Promise<void> {
  const pid = Number(await readFile(join(place, 'pid'), 'utf8').catch(() => '0'));
  const deadline = performance.now() + MOVER_TIMEOUT_MS;
  while (pid > 0 && isMover(pid, folder)) {
    if (performance.now() > deadline) {
      throw failure('MOVE_GOES_ON', `An earlier merge is still moving files of this repository (process ${pid}).`, {
        hint: 'Wait for it to end, then run the command again.',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A process number may be somebody else's by now. Where a process cannot be looked at, that it is there counts. */
function isMover(pid: number, folder: string): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(nameOf(folder));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux';
  }
}
