import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Scratch } from '../support/scratch.ts';

interface Merged {
  readonly target: string;
  readonly from: string;
  readonly to: string;
  readonly merged: readonly string[];
  readonly setAside: readonly {
    readonly id: string;
    readonly reason: string;
    readonly check: { readonly log: string };
  }[];
  readonly conflicts: readonly { readonly id: string; readonly with: string; readonly paths: readonly string[] }[];
  readonly leftOut: readonly unknown[];
  readonly undo: string;
}

const CHECK = 'test "$(cat api)" = old || { echo "the caller calls what is gone"; test ! -e caller; }';

describe('merge', () => {
  it('lands what passes together, names who breaks it, and says who conflicts; in real containers', async () => {
    await using scratch = await Scratch.create({ 'README.md': '# Sample\n', api: 'old\n' });
    const scripts = {
      ...{ Rename: 'echo new >api', Call: 'echo call >caller', Alone: 'echo alone >alone' },
      ...{ Title: 'echo "# Title" >README.md', Heading: 'echo "# Heading" >README.md', Above: 'echo above >>alone' },
    };
    await scratch.submitScripts(scripts, { Above: 'Alone' });
    await scratch.must(['run', '--engine', 'demo', '--allow-overlap']);
    const tasks = ['rename', 'call', 'alone', 'title', 'heading', 'above'];
    await scratch.must(['patch', 'approve', ...tasks]);

    const plan = await scratch.orchestrate(['merge', '--dry-run', '--check', CHECK]);
    expect(plan.exitCode).toBe(1);
    expect(plan.stdout).toContain('Would be merged into main, in this order:');
    expect(plan.stdout).toContain('In conflict:');
    expect(await scratch.git('log', '--format=%s')).toBe('start');

    const answer = await scratch.orchestrate(['merge', '--json', '--check', CHECK, '--check', 'true']);
    expect(answer.exitCode, answer.stderr).toBe(1);
    const report = JSON.parse(answer.stdout) as Merged;
    expect(report).toMatchObject({ target: 'main', to: await scratch.git('rev-parse', 'HEAD'), leftOut: [] });
    expect(report.setAside).toHaveLength(1);
    const [aside] = report.setAside;
    expect(['rename.1', 'call.1']).toContain(aside?.id);
    expect(aside?.reason).toContain(`together with ${aside?.id === 'call.1' ? 'rename.1' : 'call.1'};`);
    const log = await readFile(path.join(scratch.repository, '.git/orchestrate', aside?.check.log ?? ''), 'utf8');
    expect(log).toContain('the caller calls what is gone');
    expect(report.conflicts).toEqual([
      {
        id: expect.stringMatching(/^(?:title|heading)\.1$/),
        with: expect.stringMatching(/^(?:title|heading)\.1$/),
        paths: ['README.md'],
      },
    ]);
    expect(report.merged).toHaveLength(4);
    expect(report.merged.indexOf('above.1')).toBeGreaterThan(report.merged.indexOf('alone.1'));
    expect(await scratch.git('status', '--porcelain')).toBe('');
    expect((await scratch.git('log', '--format=%s', 'HEAD~4..')).split('\n')).toHaveLength(4);

    // What was set aside and approved again is judged anew, on a branch of its own; conflicts become tasks.
    await scratch.must(['patch', 'approve', aside?.id ?? '', report.conflicts[0]?.id ?? '']);
    const again = await scratch.orchestrate(['merge', '--into', 'night', '--resolve', '--check', CHECK]);
    expect(again.exitCode).toBe(1);
    expect(again.stdout).toContain('Nothing was merged.');
    expect(again.stdout).toContain('Set aside:');
    expect(again.stdout).toMatch(/Queued: resolve-the-conflict-of-/);
    expect(await scratch.git('branch', '--list', 'night')).toBe('');
    const [first = '', ...words] = report.undo.split(' ');
    expect(first).toBe('git');
    await scratch.git(...words);
    expect(await scratch.git('log', '--format=%s')).toBe('start');
    expect(await scratch.git('status', '--porcelain')).toBe('');
  });

  it('during a run merges what policy approves into the branch that was named, and never the one that is checked out', async () => {
    await using scratch = await Scratch.create();
    await scratch.submitScript('Good', 'echo good >good');
    await scratch.submitScript('Bad', 'echo bad >bad');
    const flags = ['--engine', 'demo', '--check', 'test ! -e bad', '--auto-approve', 'passing'];
    const refused = await scratch.orchestrate(['run', ...flags, '--auto-merge', 'main']);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('The branch main is checked out here.');
    const run = await scratch.orchestrate(['run', ...flags, '--auto-merge', 'night']);
    expect(run.stdout).toContain('merged into night: good.1');
    expect(await scratch.git('log', '--format=%s', 'main..night')).toBe('Good');
    expect(await scratch.git('log', '--format=%s', 'main')).toBe('start');
    const { patches } = await scratch.json<{ patches: { id: string; status: string }[] }>(['patch', 'list']);
    expect(patches.map(({ id, status }) => [id, status])).toEqual([
      ['good.1', 'merged'],
      ['bad.1', 'pending'],
    ]);
  });
});
