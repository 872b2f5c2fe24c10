/**
 * The state of a partial file: a first line that says what file it is, then a line for every stretch that was written,
 * in the order of writing. Lines are only ever added, so that a process that is killed loses at most the last one.
 */
import * as z from 'zod';
import { Digest } from '../../core/digest.ts';
import { Ranges } from './ranges.ts';

export const StateHead = z.strictObject({
  schemaVersion: z.literal(1),
  sizeBytes: z.int().nonnegative(),
  digest: Digest,
  /** What the server called these bytes: a strong ETag or a Last-Modified, to be sent as If-Range. */
  validator: z.string().max(1024).optional(),
});
export type StateHead = z.infer<typeof StateHead>;

export interface State {
  readonly head: StateHead;
  readonly ranges: Ranges;
}

export function headLine(head: StateHead): string {
  return `${JSON.stringify(StateHead.parse(head))}\n`;
}

export function rangeLine(start: number, end: number): string {
  return `${start} ${end}\n`;
}

/** Undefined for what is no state of ours. A last line that was cut short is left out, and so is every stretch that makes no sense. */
export function parseState(text: string): State | undefined {
  const [first = '', ...lines] = text.split('\n');
  // Behind the last line end is nothing, or a line that was not finished.
  lines.pop();
  const head = StateHead.safeParse(jsonOf(first)).data;
  if (head === undefined) return undefined;
  const ranges = new Ranges();
  for (const line of lines) {
    const [, start = '', end = ''] = /^(\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
    if (end !== '' && Number(end) <= head.sizeBytes) ranges.add(Number(start), Number(end));
  }
  return { head, ranges };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
