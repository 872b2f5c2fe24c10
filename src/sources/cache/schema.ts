import * as z from 'zod';
import { Digest } from '../../core/digest.ts';

const Bytes = z.int().nonnegative();
const When = z.iso.datetime();

/** What a reference resolved to when it was last requested. */
export const CachedRef = z.strictObject({
  /** With a branch or tag, or the same as `pinnedRef`. */
  ref: z.string(),
  pinnedRef: z.string(),
  digest: Digest,
  sizeBytes: Bytes,
  fileName: z.string(),
  provenance: z
    .strictObject({
      licence: z.string().optional(),
      baseModel: z.string().optional(),
      quantiser: z.string().optional(),
    })
    .optional(),
  at: When,
});
export type CachedRef = z.infer<typeof CachedRef>;

export const RefsDocument = z.strictObject({ schemaVersion: z.literal(1), refs: z.array(CachedRef) });
export type RefsDocument = z.infer<typeof RefsDocument>;

/** A whole file of the cache. */
export const CachedBlob = z.strictObject({
  digest: Digest,
  path: z.string(),
  sizeBytes: Bytes,
  /** When it was stored. */
  since: When,
  fileName: z.string().optional(),
  /** References that led to it. */
  refs: z.array(z.string()),
});
export type CachedBlob = z.infer<typeof CachedBlob>;

/** A partial download; the next fetch of the same file resumes it. */
export const CachedPartial = z.strictObject({ path: z.string(), sizeBytes: Bytes, since: When });
export type CachedPartial = z.infer<typeof CachedPartial>;

export const CacheContents = z.strictObject({
  folder: z.string(),
  blobs: z.array(CachedBlob),
  partials: z.array(CachedPartial),
  /** Of blobs and partials together. */
  totalBytes: Bytes,
});
export type CacheContents = z.infer<typeof CacheContents>;

export const CacheVerification = z.strictObject({
  folder: z.string(),
  results: z.array(
    z.strictObject({
      digest: Digest,
      path: z.string(),
      sizeBytes: Bytes,
      ok: z.boolean(),
      /** What is wrong with it. */
      problem: z.string().optional(),
      removed: z.boolean(),
    }),
  ),
});
export type CacheVerification = z.infer<typeof CacheVerification>;

export const CachePruning = z.strictObject({
  folder: z.string(),
  /** False: nothing was removed, this is what `--apply` would remove. */
  applied: z.boolean(),
  items: z.array(
    z.strictObject({
      path: z.string(),
      digest: Digest.optional(),
      fileName: z.string().optional(),
      sizeBytes: Bytes,
      reason: z.string(),
      removed: z.boolean(),
      /** Why it was not removed although it was to be. */
      problem: z.string().optional(),
    }),
  ),
  reclaimableBytes: Bytes,
  /** Files that stay. */
  kept: z.int().nonnegative(),
});
export type CachePruning = z.infer<typeof CachePruning>;
