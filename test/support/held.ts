/** A place in the life of a process where a test holds it, to do something to it at exactly that moment. */

export interface Held {
  /** Lets go on what was held. */
  release(): void;
  /** Ends what was held: a request or its reply is not passed on, a child process dies. */
  drop(): void;
}

export interface Placed {
  /** Resolves once it is held there; never, where it does not get there. */
  readonly reached: Promise<Held>;
  /** It is not to be held any more. */
  withdraw(): void;
}
