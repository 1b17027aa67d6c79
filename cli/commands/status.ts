/** `status`: the counts, then every task with why it waits; once, or again and again. */

import type { Context } from '../context.ts';
import type { StatusOptions } from '../options.ts';
import { coloursOf } from '../render/text.ts';
import { statusOf, statusText } from '../status-of.ts';

export async function status(context: Context, options: StatusOptions): Promise<number> {
  if (options.watch) {
    const { watchStatus } = await import('./status-watch.ts');
    return watchStatus(context);
  }
  const now = statusOf(await context.readState());
  if (context.json) context.printJson(now.json);
  else context.print(await statusText(now, coloursOf(context.colour)));
  return 0;
}
