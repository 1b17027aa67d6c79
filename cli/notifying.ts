/** `--notify`: tells a webhook of a run. */

import { basename } from 'node:path';
import type { EventBus } from '../src/events.ts';
import type { Notifier } from '../src/report/notify.ts';
import type { State } from '../src/state/state.ts';
import type { Context } from './context.ts';
import { extraAuthorities, proxyOf } from './user-network.ts';

export interface Notifying {
  readonly bus: EventBus;
  readonly state: State;
  /** A secret. */
  readonly url: string;
}

/** Listens from now on; to be closed when the run is over. Environment errors BAD_PROXY and BAD_CA. */
export async function openNotifier(context: Context, { bus, state, url }: Notifying): Promise<Notifier> {
  const [{ Notifier }, { postWebhook }, { root }, proxy, extraCa] = await Promise.all([
    import('../src/report/notify.ts'),
    import('../src/gateway/webhook.ts'),
    context.repository(),
    proxyOf(context),
    extraAuthorities(context),
  ]);
  return new Notifier({
    bus,
    repository: basename(root),
    counts: () => ({ ...state.counts(), patchesPending: state.pendingTrees().length }),
    post: (body, signal) => postWebhook({ url, proxy, extraCa }, body, { signal }),
    onFailure(problem) {
      const message = `nobody was told of the run (--notify): ${problem}`;
      context.warn(message);
      const run = state.newestRun();
      // The morning's report has it as well.
      if (run !== null) state.appendEvent({ at: new Date().toISOString(), type: 'warning', message }, run.id);
    },
  });
}
