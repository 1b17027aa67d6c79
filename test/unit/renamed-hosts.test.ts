import { expect, it } from 'vitest';
import { runHosts } from '../../cli/run-hosts.ts';
import { settingsOf } from '../../src/config/settings.ts';
import { PLACE, PlayedRun } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

it('what was left on a host by its address is found by the name that it has since, and no other is renamed', async () => {
  await using scratch = await Scratch.create();
  await using played = await PlayedRun.begin(scratch);
  const { state, run } = played;
  const task = { description: 'x', agent: 'test-engineer', priority: 'normal', dependsOn: [] } as const;
  for (const host of ['ssh://ops@b1', 'b2', 'local', 'ssh://ops@b3']) {
    state.addTasks([{ ...task, title: host }]);
    state.claimNext(run, { ...PLACE, host });
  }
  const hosts = { b1: { url: 'ssh://ops@b1' }, b2: { url: 'ssh://ops@b2' } };
  const context = { repository: async () => ({ objectFormat: 'sha1' }), configDirectory: scratch.folder };
  await runHosts(context as never, { settings: settingsOf({ hosts, host: ['b1', 'b2'] }), state } as never);
  expect(state.unendedAttempts().map(({ host }) => host)).toEqual(['b1', 'b2', 'local', 'ssh://ops@b3']);
});
