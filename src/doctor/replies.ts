/** The server's lists, read leniently: versions differ in what they report. */
import * as z from 'zod';
import { messageOf } from '../core/errors.ts';
import { parseBounded } from '../core/parse.ts';
import type { TextReply } from '../net/text.ts';

const Bytes = z.number().nonnegative();

const Loaded = z.object({
  name: z.string(),
  size: Bytes.optional(),
  size_vram: Bytes.optional(),
  context_length: z.number().optional(),
  expires_at: z.string().optional(),
});
export type Loaded = z.infer<typeof Loaded>;

const LoadedReply = z.object({ models: z.array(Loaded).nullish() });
const TagsReply = z.object({ models: z.array(z.object({ name: z.string() })).nullish() });

/** Models in memory (`/api/ps`). Throws an Error that says what is wrong with the reply. */
export function loadedIn(answer: TextReply): Loaded[] {
  return read(LoadedReply, answer, '/api/ps').models ?? [];
}

/** Names in the server's store (`/api/tags`). Throws as above. */
export function namesIn(answer: TextReply): string[] {
  return (read(TagsReply, answer, '/api/tags').models ?? []).map(({ name }) => name);
}

function read<Schema extends z.ZodType>(schema: Schema, { status, text }: TextReply, path: string): z.output<Schema> {
  if (status !== 200) throw new Error(`${path} returned HTTP ${status}`);
  let value: unknown;
  try {
    value = parseBounded(text);
  } catch (cause) {
    throw new Error(`${path} returned a reply that is not JSON: ${messageOf(cause)}`, { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.join('.') ?? '';
  throw new Error(`${path} returned a reply of an unexpected form${where === '' ? '' : `, at ${where}`}`);
}
