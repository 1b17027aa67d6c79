/** What becomes of a command whose reader or terminal goes away: most have nobody left to talk to and end; work goes on. */

let isAtWork = false;

/** From now on nobody has to be there to read: what cannot be written is lost. */
export function workWithoutReader(): void {
  isAtWork = true;
}

/** For errors of stdout and stderr. A pipe says EPIPE, a terminal that is gone EIO. */
export function onStreamError(error: NodeJS.ErrnoException): void {
  if (isAtWork) return;
  if (error.code === 'EPIPE' || error.code === 'EIO') process.exit();
  throw error;
}
