/**
 * How long a server wants to be left alone, in ms: its Retry-After is a number of seconds or a date. Undefined for what
 * is neither; 0 for a date that has passed.
 */
export function parseRetryAfter(text: string | undefined, now: Date): number | undefined {
  const value = text?.trim() ?? '';
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Dates of HTTP name their day first; Date.parse alone would take "-5" and "1.5" as dates.
  if (!/^(mon|tue|wed|thu|fri|sat|sun)/i.test(value)) return undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime());
}
