/** What a person asked to be changed, as short as a reason is. */

/** Characters of the message that are told. */
const LONGEST = 160;

/** Why a task waits, and what became of its patch: `changes requested: use the existing helper…`. */
export function changesReason(message: string): string {
  const [first = ''] = message.trim().split('\n', 1);
  const isCut = first.length > LONGEST || first.length < message.trim().length;
  return `changes requested: ${first.slice(0, LONGEST)}${isCut ? '…' : ''}`;
}
