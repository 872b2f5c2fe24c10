import * as z from 'zod';
import { RuntimeIdentity } from '../../../runtimes/contract.ts';

const Bytes = z.int().nonnegative();

/** What a leftover is. The last five are the Ollama server's own, or lie among its files. */
export const GcKind = z.enum([
  'partial-download',
  'cached-file',
  'staging-name',
  'transfer-name',
  'previous-version',
  'stored-file',
  'journal',
  'state-file',
  'temporary-file',
  'lock',
  'server-blob',
  'server-upload',
  'server-pull',
  'server-temporary',
  'server-manifest',
]);
export type GcKind = z.infer<typeof GcKind>;

export const GcItem = z.strictObject({
  kind: GcKind,
  /** Absolute; for what is a file. */
  path: z.string().optional(),
  /** For what is a name of the runtime, or belongs to one. */
  name: z.string().optional(),
  /** What it is large by itself; files that it shares with others count in full here, and once in the sum. */
  sizeBytes: Bytes,
  /** Why nothing needs it, as the end of a sentence. */
  reason: z.string(),
  removed: z.boolean(),
  /** Why it stays although it was to be removed. */
  problem: z.string().optional(),
});
export type GcItem = z.infer<typeof GcItem>;

/** The answer of `gc`. */
export const GcReport = z.strictObject({
  runtime: RuntimeIdentity,
  applied: z.boolean(),
  /** The versions that are kept for a rollback were offered too. */
  previous: z.boolean(),
  items: z.array(GcItem),
  /** What removing frees, or has freed with `applied`: a file with several links counts once, and only if all of them go. */
  reclaimableBytes: Bytes,
  /** How many items were removed. */
  removed: z.int().nonnegative(),
  /** What was left alone and why, or what another run will bring to its end. */
  notes: z.array(z.string()),
});
export type GcReport = z.infer<typeof GcReport>;
