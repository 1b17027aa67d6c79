// The outputs of a report: what agents wrote stays text in each of them, and each stays small whatever the night was.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { reportText } from '../../cli/render/report.ts';
import type { OrchestrateEvent } from '../../src/events.ts';
import { type Report, reportOf } from '../../src/report/figures.ts';
import { htmlOf } from '../../src/report/html.ts';
import { markdownOf } from '../../src/report/markdown.ts';
import { storyOf } from '../../src/report/story.ts';
import { oneLine } from '../../src/report/words.ts';
import type { AttemptId, PatchState } from '../../src/types.ts';
import {
  at,
  attempt,
  ended,
  patch,
  paused,
  RUN,
  ready,
  records,
  run,
  started,
  task,
  used,
} from '../support/night-records.ts';

const MOST_BYTES = 600_000;
const plain = (report: Report): string => reportText(report, { colour: false });

/** Everything that an agent or a repository can name, hostile in the same way. */
function hostileReport(text: string): Report {
  const id = 'victim.1' as AttemptId;
  const of = { task: 'victim' as never, attempt: id };
  const report = reportOf(
    records({
      tasks: [task('victim', 'failed', { title: text, agent: text }), task('stuck', 'blocked', { reason: text })],
      patches: [
        patch('victim.1', 'pending', { reason: text, flags: [{ code: 'symlink', path: text, detail: text }] }),
        patch('done.1', 'merged', { mergedAs: 'b'.repeat(40) as never, mergedInto: text }),
      ],
      conflicts: [{ left: id, right: 'done.1' as AttemptId, paths: [text] }],
      stateDir: `/state/${text}`,
      history: {
        attempts: [
          attempt('victim.1', [0, 30], {
            ...{
              outcome: 'failed',
              reason: text,
              fault: text,
              egressDenied: [text],
              summary: text,
              usage: used(5, 1),
              engine: text,
              host: text,
            },
          }),
          attempt('done.1', [0, 30]),
        ],
        events: [
          started(text),
          ready([{ command: text, exitCode: 3, flaky: false, log: `checks/${text}` }]),
          paused(2, text),
          { at: at(3), type: 'run.resumed' },
          { at: at(4), type: 'run.stopping', cause: 'key', reason: text },
          { at: at(1), type: 'task.paused', reason: text, until: null, ...of },
          { at: at(1), type: 'egress.denied', host: text, reason: text, ...of },
          { at: at(1), type: 'warning', message: text },
          ended(text),
        ],
        alarms: [
          {
            ...{ patch: id, command: text, exitCode: 1, isFlaky: false, log: `checks/${text}` },
            ...{ endedAt: at(2), isElsewhere: false },
          },
        ],
      },
    }),
  );
  const items = report.failed.items.map((failure) => ({ ...failure, lastLines: [oneLine(text)] }));
  return { ...report, failed: { ...report.failed, items } };
}

describe('the page', () => {
  it.each([
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    '</title></pre></style><script>1</script>',
    '<!-- --><a href="javascript:alert(1)">x</a>',
    '<meta http-equiv="refresh" content="0;url=http://x.invalid">',
  ])('has no element of %s', (text) => {
    const html = htmlOf(hostileReport(text));
    const harmless = htmlOf(hostileReport('harmless'));
    const tags = (page: string): string[] => (page.match(/<[^>]*>/g) ?? []).filter((tag) => !tag.startsWith('<rect'));
    expect(tags(html)).toEqual(tags(harmless));
    // What was said is still there to be read.
    expect(read(html)).toContain(text);
  });

  it('allows its own style sheet alone, by its hash', () => {
    const html = htmlOf(reportOf(records({})));
    const style = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(html).toContain(`content="default-src 'none'; style-src 'sha256-${hash}'; img-src data:;`);
    expect(html).not.toMatch(/unsafe|<script|\sstyle=|\son[a-z]+=|https?:\/\//);
  });

  it('can be read without the picture: a table with headers says the same', () => {
    const html = htmlOf(reportOf(records({ history: { attempts: [attempt('a.1', [0, 60])] } })));
    expect(html).toContain('<th scope="col">attempt</th>');
    expect(html).toContain('<th scope="row"><code>a.1</code></th>');
    expect(html).toMatch(/<svg [^>]*role="img" aria-labelledby="night-title/);
  });
});

describe('the picture', () => {
  it('has of a name what fits onto its bar, and nothing where that would say nothing', () => {
    const attempts = [
      attempt('said-whole.1', [0, 300]),
      attempt('said-as-far-as-there-is-room.1', [310, 400]),
      attempt('not-said-at-all.1', [410, 430]),
    ];
    const html = htmlOf(reportOf(records({ history: { attempts } })));
    const labels = [...html.matchAll(/<text class="label"[^>]*>(.*?)<\/text>/g)].map(([, label]) => label);
    expect(labels).toEqual(['said-whole', expect.stringMatching(/^said-as-far.*…$/)]);
  });
});

describe('hosts', () => {
  const attempts = [attempt('a.1', [0, 30], { outcome: 'failed', host: 'build-0' })];
  const night = (host: string): Report =>
    reportOf(
      records({
        tasks: [task('a', 'failed'), task('b', 'succeeded')],
        history: { attempts: [...attempts, attempt('b.1', [0, 60], { host })] },
      }),
    );

  it('are named in each output where there was more than one', () => {
    const [one = [], two = []] = ['build-0', 'build-1'].map((host) =>
      [plain, markdownOf, htmlOf].map((output) => output(night(host))),
    );
    for (const text of one) expect(text).not.toContain('build-0');
    for (const text of two) expect(text).toMatch(/by host: 1 on .*build-0.*, 1 on .*build-1/);
    for (const text of two) expect(text).toMatch(/1 attempt, 1 task still open, on .*build-0/);
    expect(two[1]).toContain('`b.1` on `build-1` succeeded');
    expect(two[2]).toContain('<code>b.1</code></th><td>build-1</td>');
  });
});

describe('the Markdown', () => {
  it.each([
    '[click](http://x.invalid)',
    '![x](http://x.invalid/x.png)',
    '<img src=x onerror=alert(1)>',
    '@everyone see http://x.invalid and www.x.invalid or a@x.invalid',
    '`` ` `` [a](b)',
    '``` </code> ```` **bold**',
    'a | b \\| c',
    '# heading',
  ])('keeps %s in code alone', (text) => {
    const markdown = markdownOf(hostileReport(text));
    expect(outsideCode(markdown)).not.toMatch(/x\.invalid|click|onerror|everyone|bold|a \| b|# heading|\[a\]/);
    expect(markdown).toContain(text.slice(0, 5));
  });

  it('cannot have its fence closed by what an agent printed', () => {
    const report = hostileReport('harmless');
    const lastLines = ['```', '# owned', '~~~', '`````'];
    const items = report.failed.items.map((failure) => ({ ...failure, lastLines }));
    const markdown = markdownOf({ ...report, failed: { items, leftOut: 0 } });
    expect(outsideCode(markdown)).not.toContain('owned');
    expect(markdown).toContain('\n``````text\n```\n# owned\n~~~\n`````\n``````\n');
  });
});

/** The letters that a reader of the page sees for its entities. */
function read(html: string): string {
  const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  return html.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? '');
}

/** What CommonMark does not take for code. */
function outsideCode(markdown: string): string {
  const outside: string[] = [];
  let fence: string | null = null;
  for (const line of markdown.split('\n')) {
    const ticks = /^ {0,3}(`{3,})/.exec(line)?.[1];
    if (fence !== null) {
      if (ticks !== undefined && ticks.length >= fence.length && line.trim() === ticks) fence = null;
    } else if (ticks !== undefined && !line.trim().slice(ticks.length).includes('`')) fence = ticks;
    else outside.push(line.replace(/(?<![`\\])(`+)(?!`)(.*?)(?<!`)\1(?!`)/g, ''));
  }
  return outside.join('\n');
}

describe('all outputs', () => {
  const outputs = { html: htmlOf, markdown: markdownOf, terminal: plain };

  it.each(Object.entries(outputs))('%s shows no escape sequence, control or invisible character', (_, output) => {
    const text = output(hostileReport('a\x1b[2J\x1b]0;title\x07b\u202ec\u200bd\r\ne\x9bf\u{e0041}'));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u200b-\u200f\u{e0000}-\u{e007f}]/u);
    expect(text).toContain('\\u{202e}');
  });

  it.each(Object.entries(outputs))('%s tells the flag, the reason and the command of what waits', (_, output) => {
    const report = reportOf(
      records({
        tasks: [task('a', 'succeeded')],
        patches: [
          patch('a.1', 'pending', {
            flags: [{ code: 'weakened-test', path: 'a.test.ts', detail: 'less is asserted' }],
          }),
        ],
      }),
    );
    const text = output(report);
    for (const said of ['weakened-test', 'a.test.ts', 'less is asserted', 'orchestrate review a.1']) {
      expect(text).toContain(said);
    }
  });

  it.each(Object.entries(outputs))('%s tells what happened to the whole run, and what it took when', (_, output) => {
    const report = reportOf(
      records({
        tasks: [task('a', 'succeeded')],
        history: {
          attempts: [
            attempt('a.1', [0, 30], { outcome: 'lost', reason: 'gone', fault: 'DOCKER_FAILED' }),
            attempt('a.2', [40, 90], { usage: used(4200, 1.25) }),
          ],
          events: [
            started('userns'),
            ready([{ command: 'npm test', exitCode: 7, flaky: false, log: 'checks/base-1.log' }]),
            paused(60, 'the disk is nearly full'),
            { at: at(80), type: 'run.resumed' },
            { at: at(500), type: 'run.stopping', cause: 'deadline', reason: 'the deadline is reached' },
            {
              ...ended('the deadline is reached'),
              disk: { freeBytes: 2 ** 30, totalBytes: 2 ** 40 },
            } as OrchestrateEvent,
          ],
        },
      }),
    );
    const text = read(output(report)).replace(/<[^>]*>|[`\\]/g, '');
    for (const said of [
      ...['RED on the base: npm test', 'checks/base-1.log', 'isolation shared-kernel', '1.0 GiB free of 1.0 TiB'],
      ...[
        '(20m): the disk is nearly full',
        'deadline: the deadline is reached',
        'DOCKER_FAILED',
        '1 of them tried again',
      ],
      ...['4.2k tokens', '$1.25', 'expected roughly $3.00 to $12.00'],
    ]) {
      expect(text).toContain(said);
    }
  });

  it.each(Object.entries(outputs))('%s of 10,000 tasks is small, and counts what is left out', (_, output) => {
    const states: readonly PatchState[] = ['pending', 'merged', 'conflict', 'salvaged'];
    const long = 'x'.repeat(10_000);
    const numbers = Array.from({ length: 10_000 }, (_value, n) => n);
    const big = records({
      tasks: numbers.map((n) => task(`t${n}`, n % 4 === 3 ? 'failed' : 'succeeded', { title: long })),
      patches: numbers.map((n) => {
        const flags = Array.from({ length: 50 }, () => ({ code: 'ci', path: long, detail: long }));
        return patch(`t${n}.1`, states[n % 4] ?? 'pending', { flags, reason: long });
      }),
      conflicts: numbers.map((n) => ({
        ...{ left: `t${n}.1` as AttemptId, right: `t${(n + 1) % 10_000}.1` as AttemptId, paths: [long, long] },
      })),
      history: {
        attempts: numbers.map((n) =>
          attempt(`t${n}.1`, [n / 20, n / 20 + 1], {
            ...{
              outcome: n % 4 === 3 ? 'failed' : 'succeeded',
              reason: `${String.fromCharCode(97 + (n % 26))}${long}`,
            },
            ...{ usage: used(n, 1), egressDenied: [`host${n}.example:443`], engine: `engine${n}` },
          }),
        ),
        events: numbers.map((n) => ({ at: at(n / 20), type: 'warning', message: `${n} ${long}` })),
      },
    });
    const report = reportOf(big);
    const text = output(report);
    expect(text.length).toBeLessThan(MOST_BYTES);
    expect(report.waiting.items.length + report.waiting.leftOut).toBe(7500);
    expect(text).toContain(`${report.waiting.leftOut} more`);
  });

  it('has the sections in the order in which a person needs them', () => {
    const titles = storyOf(reportOf(records({ history: { runs: [run({ id: RUN })] } }))).sections.map(({ id }) => id);
    expect(titles.slice(0, 4)).toEqual(['waiting', 'failed', 'blocked', 'landed']);
  });
});
