// What is written to a terminal to show lines on it.

import { beforeEach, expect, it } from 'vitest';
import { Painter } from '../../cli/plan/painter.ts';
import { reveal } from '../../src/sanitise.ts';

let written: string[];
let painter: Painter;

beforeEach(() => {
  written = [];
  painter = new Painter({ write: (text) => written.push(reveal(text)) });
  painter.enter();
  written = [];
});

it('writes only the rows that changed', () => {
  painter.paint(['one', 'two', 'three'], null);
  written = [];
  painter.paint(['one', 'TWO', 'three'], null);
  expect(written.join('')).toContain('\\x1b[2;1H\\x1b[0mTWO');
  expect(written.join('')).not.toMatch(/one|three/);
});

it('clears the rows that are no more, and draws all again after the terminal was changed', () => {
  painter.paint(['one', 'two'], null);
  written = [];
  painter.paint(['one'], null);
  expect(written.join('')).toContain('\\x1b[2;1H\\x1b[0m\\x1b[0m\\x1b[K');
  painter.forget();
  written = [];
  painter.paint(['one'], null);
  expect(written.join('')).toContain('one');
});

it('shows the cursor only where there is a place for it', () => {
  painter.paint(['x'], { row: 4, column: 2 });
  expect(written.join('')).toContain('\\x1b[5;3H\\x1b[?25h');
  written = [];
  painter.paint(['x'], null);
  expect(written.join('')).not.toContain('?25h');
});

it('lets nothing through but letters and colours, even if a view does', () => {
  painter.paint(['  \x1b[1mbold\x1b[0m \x1b[2J\x1b]0;title\x07\x1b[5;5Hx\r\n\u202ey\x9b6n  '], null);
  expect(written.join('')).toContain('\\x1b[1;1H\\x1b[0m  \\x1b[1mbold\\x1b[0m x y  \\x1b[0m\\x1b[K');
});

it('leaves once, and paints nothing before or after', () => {
  painter.leave();
  painter.leave();
  painter.paint(['x'], null);
  expect(written).toEqual(['\\x1b[?2004l\\x1b[?7h\\x1b[?25h\\x1b[0m\\x1b[?1049l']);
});
