/** Keys as the session knows them, whatever a terminal sends for them. */

/** `ctrl-x` for x in a to z where it is none of the named ones; `newline` is what goes on in the next line without sending. */
export type KeyName =
  | 'enter'
  | 'newline'
  | 'escape'
  | 'tab'
  | 'backspace'
  | 'delete'
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'page-up'
  | 'page-down'
  | 'word-left'
  | 'word-right'
  | `ctrl-${string}`;

export type Key =
  /** One character as typed, which may be of several code points. */
  | { readonly kind: 'text'; readonly text: string }
  /** What came in between the marks of a bracketed paste, raw. */
  | { readonly kind: 'paste'; readonly text: string }
  | { readonly kind: 'press'; readonly name: KeyName };
