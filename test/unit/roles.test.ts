import { describe, expect, it } from 'vitest';
import { checkRole, DEFAULT_ROLE, ROLES } from '../../src/roles/catalogue.ts';

describe('roles', () => {
  it('are twelve, without doubles, and the default is one of them', () => {
    expect(new Set(ROLES).size).toBe(12);
    expect(ROLES).toContain(DEFAULT_ROLE);
  });

  it('takes a known name', () => {
    expect(checkRole('test-engineer')).toBe('test-engineer');
  });

  it.each([
    ['backend', 'backend-systems-engineer'],
    ['test-enginer', 'test-engineer'],
    ['Frontend-UI-Engineer', 'frontend-ui-engineer'],
  ])('refuses %s and names %s', (typed, meant) => {
    expect(() => checkRole(typed)).toThrow(expect.objectContaining({ code: 'UNKNOWN_ROLE', exitCode: 2 }));
    expect(() => checkRole(typed)).toThrow(`did you mean ${meant}?`);
  });

  it('names all candidates where nothing is near', () => {
    expect(() => checkRole('plumber')).toThrow(expect.objectContaining({ hint: expect.stringContaining(ROLES[11]) }));
  });
});
