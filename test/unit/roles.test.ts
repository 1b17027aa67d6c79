// What a role's file says, what lies over what, and what cannot be widened.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkRole, layered, ROLES, type RoleLayer, roleOfTask } from '../../src/roles/catalogue.ts';
import { LARGEST_ROLE, type ParsedRole, parseRole } from '../../src/roles/parse.ts';
import type { Role, RoleSource } from '../../src/roles/role.ts';

const NONE = layered([]);

function parse(text: string | Uint8Array, file = 'agents/some.md', source: RoleSource = 'user'): ParsedRole {
  return parseRole({ source, file, content: typeof text === 'string' ? Buffer.from(text) : text });
}

function written(lines: readonly string[], prompt = 'Do it well.'): string {
  return ['---', ...lines, '---', prompt, ''].join('\n');
}

function roleOf(parsed: ParsedRole): Role {
  if (parsed.role === null) throw new Error(parsed.reason);
  return parsed.role;
}

function messagesOf(parsed: ParsedRole): readonly string[] {
  return parsed.role === null ? [parsed.reason] : parsed.warnings.map(({ message }) => message);
}

function layer(source: RoleSource, ...files: readonly (readonly string[])[]): RoleLayer {
  const parsed = files.map((lines, at) => parse(written(lines), `${source}/${at}.md`, source));
  return { source, parsed, problems: [] };
}

const role = (name: string, ...more: readonly string[]) => [`name: ${name}`, `description: ${name}`, ...more];

describe("a role's file", () => {
  it('says name, description, tools, model and prompt', () => {
    const parsed = parse(
      written(['name: plumber', 'description: For pipes.', 'tools: Read, Bash', 'model: opus'], '# Pipes\n'),
    );
    expect(parsed).toEqual({
      role: {
        ...{ name: 'plumber', description: 'For pipes.', tools: ['Bash', 'Read'], model: 'opus', prompt: '# Pipes' },
        ...{ source: 'user', file: 'agents/some.md' },
      },
      warnings: [],
    });
  });

  it.each([
    ['[Read, Bash]', ['Bash', 'Read']],
    ['\n  - Read\n  - mcp__db__query', ['Read', 'mcp__db__query']],
    ['"*"', null],
    ['[]', []],
  ])('may name tools as %s', (tools, read) => {
    expect(roleOf(parse(written(role('x', `tools: ${tools}`)))).tools).toEqual(read);
  });

  it('has all tools and the model of the run where it names none', () => {
    expect(roleOf(parse(written(role('x', 'model: inherit'))))).toMatchObject({ tools: null, model: null });
  });

  it('gives no part of a tool as the whole of it, and takes what is denied away', () => {
    const limited = parse(written(role('x', 'tools: Read, Bash(git log:*, git show:*)')));
    expect(roleOf(limited).tools).toEqual(['Read']);
    expect(messagesOf(limited)).toEqual([expect.stringMatching(/^agents\/some\.md:4: Bash\(git log.* left out/)]);
    expect(roleOf(parse(written(role('x', 'tools: Read, Bash', 'disallowedTools: Bash')))).tools).toEqual(['Read']);
    const denied = roleOf(parse(written(role('x', 'disallowedTools: Bash(rm *), Write')))).tools;
    expect(denied).toContain('Edit');
    expect(denied).not.toContain('Bash');
    expect(denied).not.toContain('Write');
  });

  it('may have a description that is no YAML, as generated files do', () => {
    const text = 'Use it when: "x" # y\\n\\nExamples: <example>user: \'go\'</example>';
    const { description } = roleOf(parse(written(['name: x', `description: ${text}`, 'color: red'])));
    expect(description).toBe('Use it when: "x" # y Examples: <example>user: \'go\'</example>');
  });

  it('is read with Windows line ends and a byte order mark', () => {
    const text = `\ufeff${written(role('x'), 'One\nTwo').replaceAll('\n', '\r\n')}`;
    expect(roleOf(parse(text)).prompt).toBe('One\nTwo');
  });

  it('may say more than counts here, which is told', () => {
    const parsed = parse(written(role('x', 'color: red', 'permissionMode: bypassPermissions')));
    expect(parsed).toMatchObject({
      warnings: [{ message: 'agents/some.md:4: color, permissionMode: no effect here', minor: true }],
    });
  });

  it('loses what cannot be seen, and that is told', () => {
    const parsed = parse(written(['name: x', 'description: "a\\e[31mb"'], 'See\u200b \u202ethis\u{e0041}.\u001b[2J'));
    expect(roleOf(parsed)).toMatchObject({ prompt: 'See this.', description: 'ab' });
    expect(messagesOf(parsed)).toEqual([expect.stringContaining('cannot be seen')]);
  });

  it.each<[string, string | Uint8Array, string]>([
    ['no front matter', 'name: x\n', 'some.md:1: there is no front matter'],
    ['front matter that does not end', '---\nname: x\n', 'some.md:1: there is no front matter'],
    ['front matter further down', `\n${written(role('x'))}`, 'some.md:1: there is no front matter'],
    ['nothing in it', '---\n---\nx', 'some.md:2: expected `name: value` lines'],
    ['a list', written(['- x']), 'some.md:2: expected `name: value` lines'],
    ['broken YAML', written(['name: x', 'description: [']), 'some.md:4: '],
    ['a key twice', written(role('x', 'tools: Read', 'tools: Bash')), 'some.md:5: Map keys must be unique'],
    ['a tag', written(role('x', 'more: !!js/function x')), 'some.md:4: Unresolved tag'],
    ['aliases', written(['name: x', 'description: d', 'a: &a [1]', 'b: *a']), 'aliases are not taken'],
    ['no name', written(['description: d']), 'some.md:2: name: is missing'],
    ['a number for a name', written(['description: d', 'name: 7']), 'some.md:3: name: expected a name'],
    ['a path for a name', written(['name: ../x', 'description: d']), 'some.md:2: name: expected lower case letters'],
    ['a long name', written(role('x'.repeat(65))), 'some.md:2: name: expected lower case'],
    ['no description', written(['name: x']), 'description: is missing'],
    ['an empty description', written(['name: x', 'description: " "']), 'some.md:3: description: is empty'],
    ['tools without a value', written(role('x', 'tools:')), 'some.md:4: tools: expected names of tools'],
    ['empty tools', written(role('x', 'tools: ""')), 'some.md:4: tools: is empty'],
    ['a mapping of tools', written(role('x', 'tools: { Bash: true }')), 'some.md:4: tools: expected names of tools'],
    ['a tool that is an option', written(role('x', 'tools: Read, --yolo')), '"--yolo" is not the name of a tool'],
    ['a model that is an option', written(role('x', 'model: --yolo')), 'some.md:4: model: is not the name of a model'],
    ['no prompt', written(role('x'), ' \n'), 'some.md:1: there is no prompt'],
    ['a prompt of nothing to see', written(role('x'), '\u200b\u2060'), 'there is no prompt'],
    ['bytes that are no text', Buffer.from([0x2d, 0xff, 0xfe]), 'some.md:1: is not UTF-8 text'],
    ['a NUL', written(role('x'), 'a\0b'), 'some.md:1: is not text'],
    ['more than 64 KiB', written(role('x'), 'x'.repeat(LARGEST_ROLE)), 'some.md:1: is larger than 64 KiB'],
  ])('with %s is refused, with the line and the reason', (_, text, reason) => {
    const parsed = parse(text);
    expect(parsed.role).toBeNull();
    expect(messagesOf(parsed).join()).toContain(reason);
  });

  it('cannot blow up: aliases of aliases are refused before they are followed', () => {
    const bomb = ['a: &a [x]', ...Array.from({ length: 40 }, (_, at) => line(at)), ...role('x')];
    expect(parse(written(bomb)).role).toBeNull();
    function line(at: number): string {
      const before = at === 0 ? 'a' : `k${at - 1}`;
      return `k${at}: &k${at} [${Array.from({ length: 10 }, () => `*${before}`).join(', ')}]`;
    }
  });

  it('is a role or refused with a reason, and never an error, whatever is in it', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '---\n',
        'name: x\n',
        'description: d\n',
        'tools: ',
        'Bash',
        ', ',
        '[',
        '*a',
        '&a ',
        '\n',
        '"',
        '__proto__: 1\n',
      ),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const parsed = parse(pieces.join(''));
        if (parsed.role === null) expect(parsed.reason).toMatch(/^agents\/some\.md:\d+: ./s);
        else expect(parsed.role.name).toMatch(/^[a-z0-9-]{1,64}$/);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what lies over what', () => {
  it('is built in, user, repository', () => {
    const { byName, warnings } = layered([
      layer('built-in', role('a'), role('b'), role('c')),
      layer('user', role('b'), role('c'), role('d')),
      layer('repository', role('c'), role('e')),
    ]);
    const sources = [...byName].map(([name, { source }]) => `${name} ${source}`);
    expect(sources).toEqual(['a built-in', 'b user', 'c repository', 'd user', 'e repository']);
    expect(warnings).toEqual([]);
  });

  it.each([
    ['more than the one below', 'Read, Bash', 'Read', ['Read'], /^repository\/0\.md: .* asks for Bash; it has Read$/],
    ['all', null, 'Read', ['Read'], /asks for all tools; it has Read$/],
    ['others', 'Bash', 'Read', [], /asks for Bash; it has none$/],
    ['fewer', 'Read', 'Bash, Read', ['Read'], null],
    ['some of all', 'Bash', null, ['Bash'], null],
  ])('a repository that asks for %s gets what both have', (_, own, below, has, warning) => {
    const tools = (names: string | null) => (names === null ? [] : [`tools: ${names}`]);
    const { byName, warnings } = layered([
      layer('user', role('a', ...tools(below))),
      layer('repository', role('a', ...tools(own))),
    ]);
    expect(byName.get('a')?.tools).toEqual(has);
    expect(warnings.map(({ message }) => message)).toEqual(warning === null ? [] : [expect.stringMatching(warning)]);
  });

  it('a user may widen, since it is their machine', () => {
    const { byName } = layered([layer('built-in', role('a', 'tools: Read')), layer('user', role('a', 'tools: Bash'))]);
    expect(byName.get('a')?.tools).toEqual(['Bash']);
  });

  it('never gives a repository a tool that the role below has not', () => {
    const tools = fc.option(fc.subarray(['Agent', 'Bash', 'Edit', 'Read', 'Write']));
    const lines = (names: readonly string[] | null) => (names === null ? [] : [`tools: [${names.join(', ')}]`]);
    fc.assert(
      fc.property(tools, tools, (below, own) => {
        const { byName } = layered([
          layer('built-in', role('a', ...lines(below))),
          layer('repository', role('a', ...lines(own))),
        ]);
        const has = byName.get('a')?.tools ?? null;
        if (below !== null) expect(below).toEqual(expect.arrayContaining([...(has ?? ['all'])]));
        if (own !== null) expect(own).toEqual(expect.arrayContaining([...(has ?? ['all'])]));
      }),
    );
  });

  it('leaves a role as it was where the file over it is broken', () => {
    const { byName, warnings } = layered([
      layer('built-in', role('a')),
      layer('repository', ['name: a', 'tools: Bash']),
    ]);
    expect(byName.get('a')).toMatchObject({ source: 'built-in', description: 'a' });
    expect(warnings[0]?.message).toBe(
      'repository/0.md:2: description: is missing; the role a stays as it is (built-in)',
    );
  });

  it('takes the first of two files with one name', () => {
    const { byName, warnings } = layered([layer('user', role('a', 'tools: Read'), role('a', 'tools: Bash'))]);
    expect(byName.get('a')?.tools).toEqual(['Read']);
    expect(warnings[0]?.message).toBe('user/1.md: the role a is in user/0.md already, which counts');
  });
});

describe('a role by its name', () => {
  const roles = layered([
    layer('built-in', ...ROLES.map((name) => role(name))),
    layer('user', role('plumber'), ['name: broken']),
  ]);

  it('is found whoever brought it', () => {
    expect(checkRole(roles, 'test-engineer').source).toBe('built-in');
    expect(checkRole(roles, 'plumber').source).toBe('user');
  });

  it.each([
    ['backend', 'backend-systems-engineer'],
    ['test-enginer', 'test-engineer'],
    ['Frontend-UI-Engineer', 'frontend-ui-engineer'],
    ['plumbr', 'plumber'],
  ])('%s is refused, and %s named', (typed, meant) => {
    expect(() => checkRole(roles, typed)).toThrow(expect.objectContaining({ code: 'UNKNOWN_ROLE', exitCode: 2 }));
    expect(() => checkRole(roles, typed)).toThrow(`did you mean ${meant}?`);
  });

  it('is refused with all candidates where nothing is near', () => {
    expect(() => checkRole(roles, 'chef')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining(ROLES[11]) }),
    );
    expect(() => checkRole(roles, 'constructor')).toThrow('there is no role "constructor"');
  });

  it('that stands only in a broken file is refused with what is wrong there', () => {
    expect(() => checkRole(roles, 'broken')).toThrow('cannot be used: user/1.md:2: description: is missing');
  });

  it('of a task that is gone by the time it runs is a failure with the reason', () => {
    expect(() => roleOfTask(NONE, 'plumber')).toThrow('there is no role plumber any more');
    expect(() => roleOfTask(roles, 'broken')).toThrow('any more: user/1.md:2: description: is missing');
  });
});
