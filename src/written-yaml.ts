/** YAML that people wrote: what it says, and in which line. */

import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

export type WrittenYaml =
  | {
      readonly value: unknown;
      /** From 1, of the deepest node on the way to `path` that is really there; an entry of a map begins with its key. */
      readonly lineOf: (path: readonly PropertyKey[]) => number;
    }
  | { readonly problems: readonly { readonly line: number; readonly message: string }[] };

/** @param maxAliasCount how often aliases may be used: they let a small file stand for a huge one */
export function readYaml(text: string, { maxAliasCount }: { readonly maxAliasCount: number }): WrittenYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const lineAt = (offset: number): number => lines.linePos(offset).line;
  if (document.errors.length > 0) {
    return { problems: document.errors.map(({ pos, message }) => ({ line: lineAt(pos[0]), message })) };
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount });
    return { value, lineOf: (path) => lineAt(offsetOf(document, path)) };
  } catch (error) {
    return { problems: [{ line: 1, message: error instanceof Error ? error.message : 'not readable as YAML' }] };
  }
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const step of path) {
    if (isMap<Node>(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) break;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq<Node>(node)) {
      const item = node.items[Number(step)];
      if (item === undefined) break;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else break;
  }
  return offset;
}
