/** Every bound of the gateway's program in one place: times in milliseconds, sizes in bytes. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const MIB = 1 << 20;

export const LIMITS = {
  /** A client's request line and headers. */
  headerBytes: 32 * 1024,
  headerTime: 10 * SECOND,
  /** From a request's first byte to the last of its body. */
  requestTime: 2 * MINUTE,
  /** How often connections are looked at for these. */
  checkTime: 2 * SECOND,
  /** A kept connection without a request. */
  idleConnectionTime: MINUTE,
  connections: 4096,
  /** Connections that have not shown a token yet; the oldest goes when there are more. */
  strangers: 256,
  /** So long a connection may stay in any case: what it sent along has been read by then. */
  strangerTime: 100,
  connectionsPerAttempt: 128,
  bodyBytes: 32 * MIB,
  /** Bodies of one attempt's requests, and of all, that are held at one time. */
  bodyBytesPerAttempt: 64 * MIB,
  bodyBytesInAll: 512 * MIB,
  jsonDepth: 64,

  /** From a request's last byte to the head of the model service's answer; thinking without a stream takes long. */
  answerTime: 10 * MINUTE,
  /** Between two words on an attempt's traffic. */
  trafficNews: 10 * SECOND,
  /** Between two pieces of an answer. */
  answerIdleTime: 5 * MINUTE,
  /** An error's body; more is cut off. */
  errorBytes: 256 * 1024,
  /** One event of a stream, or an answer without one, as far as it is read for its usage. */
  meteredBytes: 8 * MIB,

  backOffFirst: SECOND,
  backOffMost: MINUTE,
  /** The longest time that a service's own word is believed. */
  statedWaitMost: 24 * 60 * MINUTE,
  /** An overloaded service (529, 503): after so many tries, or so long, its answer is passed on. */
  overloadTries: 10,
  overloadTime: 10 * MINUTE,

  /** Events that are kept for a coordinator that comes back, of each kind: audit lines, and all others. */
  eventsKept: 4096,
  /** Kinds of denials that are remembered of one attempt. */
  denialsKept: 100,
  /** Until the coordinator has made a connection that it was asked for. */
  dialTime: 30 * SECOND,
} as const;
