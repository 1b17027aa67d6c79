/** One line of `doctor`. */

export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  readonly fix: string | null;
}

export function ok(name: string, detail: string): Finding {
  return { name, status: 'ok', detail, fix: null };
}

export function warn(name: string, detail: string, fix: string | null): Finding {
  return { name, status: 'warn', detail, fix };
}
