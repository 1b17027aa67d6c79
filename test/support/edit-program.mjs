// Runs edit programs (see edits.ts) below the current folder: `node edit-program.mjs <programs.json>`, one folder per program.
// The same file runs in a sandbox and on the host; what fails there fails here in the same way and is passed over.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';

const programs = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const top = process.cwd();
const bytes = (text) => Buffer.from(text, 'latin1');
const run = (argv) =>
  execFileSync(argv[0], argv.slice(1), { stdio: 'ignore', env: { PATH: process.env.PATH, HOME: '/tmp' } });

/** Arguments that may hold any byte go through xargs. */
const withPaths = (argv, ...paths) =>
  execFileSync('xargs', ['-0', ...argv, '--'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    input: Buffer.concat(paths.flatMap((path) => [bytes(path), Buffer.of(0)])),
  });

const content = ({ text, repeat }) => (repeat === 1 ? bytes(text) : Buffer.alloc(repeat, bytes(text)));
const parent = (path) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.');

/** A folder cannot go into itself, on whatever way. */
function intoItself(from, to) {
  const inner = `${fs.realpathSync(bytes(parent(to)), 'latin1')}/`;
  return inner.startsWith(`${fs.realpathSync(bytes(from), 'latin1')}/`);
}

function place(argv, from, to) {
  fs.lstatSync(bytes(from));
  if (from === to || (fs.lstatSync(bytes(from)).isDirectory() && intoItself(from, to))) return;
  withPaths(['rm', '-rf'], to);
  withPaths(argv, from, to);
}

const { O_WRONLY, O_CREAT, O_NONBLOCK, O_TRUNC, O_APPEND } = fs.constants;

/** A named pipe that nobody reads would block for good. */
function put(path, flag, what) {
  const fd = fs.openSync(bytes(path), O_WRONLY | O_CREAT | O_NONBLOCK | flag, 0o644);
  try {
    fs.writeSync(fd, content(what));
  } finally {
    fs.closeSync(fd);
  }
}

const ACTS = {
  write: ({ path, ...what }) => {
    fs.mkdirSync(bytes(parent(path)), { recursive: true });
    put(path, O_TRUNC, what);
  },
  append: ({ path, ...what }) => {
    fs.lstatSync(bytes(path));
    put(path, O_APPEND, what);
  },
  remove: ({ path }) => withPaths(['rm', '-rf'], path),
  folder: ({ path }) => fs.mkdirSync(bytes(path), { recursive: true }),
  move: ({ path, to }) => place(['mv', '-T'], path, to),
  copy: ({ path, to }) => place(['cp', '-a', '-T'], path, to),
  swap: ({ path, to }) => {
    if (fs.lstatSync(bytes(path)).isDirectory() !== fs.lstatSync(bytes(to)).isDirectory()) return;
    if (path === to || intoItself(path, to) || intoItself(to, path)) return;
    place(['mv', '-T'], path, 'swapped');
    place(['mv', '-T'], to, path);
    place(['mv', '-T'], 'swapped', to);
  },
  again: ({ path }) => {
    withPaths(['rm', '-rf'], 'saved');
    place(['cp', '-a', '-T'], path, 'saved');
    withPaths(['rm', '-rf'], path);
    place(['mv', '-T'], 'saved', path);
  },
  symlink: ({ path, target }) => {
    withPaths(['rm', '-rf'], path);
    fs.symlinkSync(bytes(target), bytes(path));
  },
  link: ({ path, to }) => fs.linkSync(bytes(path), bytes(to)),
  touch: ({ path, time }) => fs.lutimesSync(bytes(path), time, time),
  mode: ({ path, mode }) => {
    if (!fs.lstatSync(bytes(path)).isSymbolicLink()) fs.chmodSync(bytes(path), mode);
  },
  fifo: ({ path }) => withPaths(['mkfifo'], path),
  whiteout: ({ path }) => withPaths(['sh', '-c', 'shift; mknod "$0" c 0 0'], path),
  repository: ({ path, commit }) => {
    fs.mkdirSync(bytes(path), { recursive: true });
    const here = process.cwd();
    process.chdir(path);
    try {
      run(['git', 'init', '-q', '.']);
      run(['git', 'add', '-A', '.']);
      if (commit) run(['git', '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', 'x']);
    } finally {
      process.chdir(here);
    }
  },
};

for (const { folder, edits } of programs) {
  process.chdir(top);
  fs.mkdirSync(folder, { recursive: true });
  process.chdir(folder);
  for (const edit of edits) {
    try {
      ACTS[edit.act](edit);
    } catch {
      // As an agent's command that failed.
    }
  }
}
