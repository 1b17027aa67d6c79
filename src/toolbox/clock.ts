/** A timer that stands still while the container is paused: a pause is nobody's working time. */

/** How often the clock looks, milliseconds. */
const TICK_MS = 1_000;
/** A longer gap between two looks is a pause of the container: a busy machine does not hold a process up that long. */
const LONGEST_GAP_MS = 15_000;

/** Calls `act` once, when so many milliseconds have passed that the container was not paused in. */
export function whenWorked(milliseconds: number, act: () => void): void {
  let left = milliseconds;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    const gap = now - last;
    left -= gap > LONGEST_GAP_MS ? TICK_MS : gap;
    last = now;
    if (left <= 0) act();
    else setTimeout(look, Math.min(TICK_MS, left));
  };
  setTimeout(look, Math.min(TICK_MS, left));
}
