import { describe, expect, it } from 'vitest';
import { priceOf } from '../../src/engine/prices.ts';
import { roleModelFor } from '../../src/engine/role-models.ts';

describe('the model in the file of a role', () => {
  it.each(['fable', 'haiku', 'opus', 'sonnet'])(
    '%s is a word for claude, an id with a price for the API, and nothing for codex',
    (word) => {
      expect(roleModelFor('claude', word)).toBe(word);
      expect(priceOf(roleModelFor('api', word) ?? '')).not.toBeNull();
      expect(roleModelFor('codex', word)).toBeNull();
    },
  );

  it('is taken as it is otherwise', () => {
    expect(roleModelFor('api', 'claude-opus-5-5')).toBe('claude-opus-5-5');
    expect(roleModelFor('codex', 'claude-opus-5-5')).toBeNull();
    expect(roleModelFor('codex', 'gpt-6-sol')).toBe('gpt-6-sol');
    expect(roleModelFor('api', 'constructor')).toBe('constructor');
  });
});
