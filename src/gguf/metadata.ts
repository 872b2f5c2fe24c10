import type { Cursor } from './cursor.ts';
import {
  MAX_ARRAY_LENGTH,
  MAX_KEPT_ARRAY_LENGTH,
  MAX_KEPT_BYTES,
  MAX_KEPT_STRING_BYTES,
  MAX_KEY_BYTES,
  MAX_STRING_BYTES,
  NUMBER_COST_BYTES,
  TEXT_COST_BYTES,
} from './limits.ts';
import { quoteName, refusal } from './refusal.ts';
import { ARRAY_TYPE, type Scalar, STRING_TYPE, scalarType } from './types.ts';

/** Every how many strings of a long array its file offset is noted. */
const MARK_STEP = 1024;

/** One metadata value. Long texts and long arrays are stepped over: their `value` is absent. */
export interface Entry {
  /** `u32`, `string`, `array of string`, … */
  readonly type: string;
  readonly value?: Scalar | readonly Scalar[];
  /** Length of an array. */
  readonly count?: number;
  /** File offsets of the strings 0, 1024, 2048, … of an array of strings that was stepped over. */
  readonly marks?: readonly number[];
  /** Absent for a value that did not come from a file. */
  readonly offset?: number;
}

export type Metadata = ReadonlyMap<string, Entry>;

interface Budget {
  left: number;
}

/** Reads all metadata entries. Throws `bad-gguf` or `truncated-file`. */
export async function readMetadata(cursor: Cursor, count: number): Promise<Metadata> {
  const entries = new Map<string, Entry>();
  const budget: Budget = { left: MAX_KEPT_BYTES };
  for (let index = 0; index < count; index += 1) {
    const offset = cursor.position;
    const key = await readKey(cursor, index, budget);
    if (entries.has(key)) throw refusal(`the metadata key ${quoteName(key)} appears twice`, offset);
    if (!cursor.has(4)) await cursor.need(4, `the type of ${quoteName(key)}`);
    entries.set(key, await readValue(cursor, cursor.u32(), quoteName(key), budget));
  }
  return entries;
}

async function readKey(cursor: Cursor, index: number, budget: Budget): Promise<string> {
  const what = `metadata key ${index}`;
  const length = await readLength(cursor, MAX_KEY_BYTES, what);
  if (length === 0) throw refusal(`${what} is empty`, cursor.position);
  charge(budget, length + TEXT_COST_BYTES, cursor.position);
  if (!cursor.has(length)) await cursor.need(length, what);
  return cursor.strictText(length, what);
}

async function readValue(cursor: Cursor, typeId: number, key: string, budget: Budget): Promise<Entry> {
  const offset = cursor.position;
  if (typeId === STRING_TYPE) {
    const value = await readText(cursor, key, budget);
    return { type: 'string', offset, ...(value !== undefined && { value }) };
  }
  if (typeId === ARRAY_TYPE) return readArray(cursor, key, budget);
  const type = scalarType(typeId);
  if (type === undefined) throw refusal(`${key} has the unknown value type ${typeId}`, offset - 4);
  if (!cursor.has(type.bytes)) await cursor.need(type.bytes, key);
  return { type: type.name, value: type.read(cursor), offset };
}

async function readArray(cursor: Cursor, key: string, budget: Budget): Promise<Entry> {
  const offset = cursor.position;
  await cursor.need(12, `the array ${key}`);
  const typeId = cursor.u32();
  const count = cursor.u64();
  if (typeId === ARRAY_TYPE) throw refusal(`${key} is an array of arrays, which GGUF readers refuse`, offset);
  const type = scalarType(typeId);
  if (type === undefined && typeId !== STRING_TYPE) {
    throw refusal(`${key} is an array of the unknown value type ${typeId}`, offset);
  }
  if (count > MAX_ARRAY_LENGTH) {
    throw refusal(`${key} is an array of ${count} entries; at most ${MAX_ARRAY_LENGTH} are read`, offset);
  }
  const name = `array of ${type?.name ?? 'string'}`;
  cursor.claim(count * (type?.bytes ?? 8), `${key}, ${name} with ${count} entries,`);
  if (type === undefined) return { type: name, count, offset, ...(await readStrings(cursor, count, key, budget)) };
  if (count > MAX_KEPT_ARRAY_LENGTH) {
    cursor.skip(count * type.bytes, key);
    return { type: name, count, offset };
  }
  charge(budget, count * NUMBER_COST_BYTES, offset);
  await cursor.need(count * type.bytes, key);
  const value: Scalar[] = [];
  while (value.length < count) value.push(type.read(cursor));
  return { type: name, count, offset, value };
}

async function readStrings(
  cursor: Cursor,
  count: number,
  key: string,
  budget: Budget,
): Promise<{ value: readonly string[] } | { marks: readonly number[] }> {
  if (count > MAX_KEPT_ARRAY_LENGTH) return { marks: await skipStrings(cursor, count, key) };
  const value: string[] = [];
  while (value.length < count) value.push(textNow(cursor, budget) ?? (await readText(cursor, key, budget)) ?? '');
  return { value };
}

/** Steps over `count` strings, noting where every 1024th starts. */
async function skipStrings(cursor: Cursor, count: number, key: string): Promise<number[]> {
  const marks: number[] = [];
  for (let index = 0; index < count; ) {
    if (index % MARK_STEP === 0) marks.push(cursor.position);
    const skipped = cursor.skipTexts(Math.min(count - index, MARK_STEP - (index % MARK_STEP)), MAX_STRING_BYTES);
    index += skipped;
    if (skipped > 0) continue;
    // Not all of it is in the window.
    const length = await readLength(cursor, MAX_STRING_BYTES, `entry ${index} of ${key}`);
    cursor.skip(length, key);
    index += 1;
  }
  return marks;
}

/** The text at the cursor if it lies in the window and is of a length that is kept; most are, and need no further read. */
function textNow(cursor: Cursor, budget: Budget): string | undefined {
  if (!cursor.has(8)) return undefined;
  const start = cursor.position;
  const length = cursor.u64();
  if (length > MAX_KEPT_STRING_BYTES || !cursor.has(length)) {
    cursor.seek(start);
    return undefined;
  }
  charge(budget, length + TEXT_COST_BYTES, start);
  return cursor.text(length);
}

/** The text at the cursor, or undefined when it is too long to keep. Throws when all kept texts together grow too large. */
async function readText(cursor: Cursor, key: string, budget: Budget): Promise<string | undefined> {
  const length = await readLength(cursor, MAX_STRING_BYTES, key);
  if (length > MAX_KEPT_STRING_BYTES) {
    cursor.skip(length, key);
    return undefined;
  }
  charge(budget, length + TEXT_COST_BYTES, cursor.position);
  await cursor.need(length, key);
  return cursor.text(length);
}

/** Reads one string of an array that was stepped over. */
export async function readStringAt(
  cursor: Cursor,
  entry: Entry,
  index: number,
  key: string,
): Promise<string | undefined> {
  const mark = entry.marks?.[Math.floor(index / MARK_STEP)];
  if (mark === undefined || index >= (entry.count ?? 0)) return undefined;
  cursor.seek(mark);
  await skipStrings(cursor, index % MARK_STEP, key);
  return readText(cursor, key, { left: MAX_KEPT_STRING_BYTES + TEXT_COST_BYTES });
}

/** Many entries that are each allowed must not fill the memory together. */
function charge(budget: Budget, bytes: number, offset: number): void {
  budget.left -= bytes;
  if (budget.left < 0) throw refusal(`the metadata exceed ${MAX_KEPT_BYTES} bytes`, offset);
}

async function readLength(cursor: Cursor, limit: number, what: string): Promise<number> {
  if (!cursor.has(8)) await cursor.need(8, `the length of ${what}`);
  const length = cursor.u64();
  if (length > limit) throw tooLong(what, length, cursor.position - 8, limit);
  return length;
}

function tooLong(what: string, length: number, offset: number, limit = MAX_STRING_BYTES): Error {
  return refusal(`${what} claims a length of ${length} bytes; at most ${limit} are read`, offset);
}
