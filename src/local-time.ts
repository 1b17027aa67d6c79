/** Moments as people read them, in this machine's zone. */

/** `2026-03-01` */
export function dayText(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** `18:02` */
export function minuteText(at: Date): string {
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** `18:02:11` */
export function secondText(at: Date): string {
  return `${minuteText(at)}:${two(at.getSeconds())}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
