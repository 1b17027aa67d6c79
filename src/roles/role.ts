/** A role: what a specialist is told, which tools it has, which model thinks for it. In the words of Claude Code's sub-agent files. */

/** Where a role's file stands; what comes later lies over what comes before. */
export const ROLE_SOURCES = ['built-in', 'user', 'repository'] as const;
export type RoleSource = (typeof ROLE_SOURCES)[number];

export interface Role {
  /** `[a-z0-9-]`, at most 64 characters. */
  readonly name: string;
  /** One line: what to call it for. */
  readonly description: string;
  /** By Claude Code's names (`Read`, `Write`, `Edit`, `Bash`, …), sorted; null: all that the engine has. */
  readonly tools: readonly string[] | null;
  /** An id, or Claude's words `sonnet`, `opus`, `haiku`; null: whatever the run's model is. */
  readonly model: string | null;
  /** What is added to the system prompt; Markdown. */
  readonly prompt: string;
  readonly source: RoleSource;
  /** For people: a path on this machine, or one in the repository. */
  readonly file: string;
}

/** Something about a role's file that a person should know. */
export interface RoleWarning {
  /** `<file>:<line>: <what>`, or without a line where it is about the whole file. Not sanitised. */
  readonly message: string;
  /** It changes nothing that the file's author could rely on: for whoever looks at roles, not for whoever runs them. */
  readonly minor: boolean;
}

/** Whether the role may use any one of these tools. */
export function hasTool({ tools }: Pick<Role, 'tools'>, ...anyOf: readonly string[]): boolean {
  return tools === null || anyOf.some((tool) => tools.includes(tool));
}

/** What both give; null stands for all. */
export function commonTools(one: readonly string[] | null, other: readonly string[] | null): readonly string[] | null {
  if (one === null) return other;
  return other === null ? one : one.filter((tool) => other.includes(tool));
}
