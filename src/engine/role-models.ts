/** What the model in a role's file means for an engine. Pure. */

/** Claude Code's words, by the model that each stands for. */
const WORDS: Readonly<Record<string, string>> = {
  fable: 'claude-fable-5-2',
  haiku: 'claude-haiku-5-5',
  opus: 'claude-opus-5-5',
  sonnet: 'claude-sonnet-5-5',
};

/** Whether only Anthropic's engines could use it. */
export function isClaudeModel(model: string): boolean {
  return Object.hasOwn(WORDS, model) || model.startsWith('claude-');
}

/** As the engine takes it; null: the engine has no such model. Role files are written for Claude Code. */
export function roleModelFor(engine: string, model: string): string | null {
  if (engine === 'codex') return isClaudeModel(model) ? null : model;
  // The claude program knows the words itself.
  return engine === 'api' && Object.hasOwn(WORDS, model) ? (WORDS[model] ?? null) : model;
}
