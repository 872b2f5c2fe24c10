import { quote } from './judges.ts';

/** Where two texts part, with what comes there: `after 6 equal characters "d" instead of "c"`. */
export function partingOf(now: string, before: string): string {
  const at = commonLength(now, before);
  const place = at === 0 ? '' : `after ${at} equal characters `;
  return `${place}${quote(now.slice(at))} instead of ${quote(before.slice(at))}`;
}

function commonLength(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return at;
}
