// In a sandbox, until the gateway does it: forwards a port of 127.0.0.1 to a Unix socket, and runs a program meanwhile.
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';

const [socket, port, program, ...args] = process.argv.slice(2);

const server = createServer((near) => {
  const far = connect(socket);
  near.pipe(far).pipe(near);
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
});
server.listen(Number(port), '127.0.0.1', () => {
  const child = spawn(program, args, { stdio: 'inherit' });
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 137)));
});
