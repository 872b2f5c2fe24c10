/** Control characters, and those that turn the direction of text: they can make a page show something other than its text. */
const UNSEEN = /(?![\t\n])\p{Cc}|\p{Bidi_Control}/gu;

/** A copy of plain data with every text made safe to show. Invalid numbers would print as NaN: they are a bug. */
export function cleaned<Value>(value: Value): Value {
  return clean(value) as Value;
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(UNSEEN, '').toWellFormed();
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('a page shows finite numbers only');
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, clean(inner)]));
}
