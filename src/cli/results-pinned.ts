/** The `data` of the commands that write down or carry away what is installed: lock, publish, pull, bundle. */
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import { LockFile } from '../package/lock-file.ts';
import { InstallReport } from '../provision/install/schema.ts';

const LockDifference = z.strictObject({ path: z.string(), wanted: z.string().optional(), got: z.string().optional() });

export const LockData = z.strictObject({
  /** Absolute. */
  file: z.string(),
  /** Of what is planned now; with `--check` the file itself may say otherwise. */
  lock: LockFile,
  /** Of the text of this lock. */
  digest: z.string(),
  /** False when the file said the same already, and with `--check`. */
  changed: z.boolean(),
  /** With `--check`: in what the file is not what is planned now, values as JSON. */
  differences: z.array(LockDifference),
});
export type LockData = z.infer<typeof LockData>;

/** A file of a published or bundled model, by its path in it. */
export const BundleContent = z.strictObject({ name: z.string(), digest: Digest });
export type BundleContent = z.infer<typeof BundleContent>;

export const PublishData = z.strictObject({
  name: z.string(),
  ref: z.string(),
  /** Names the same for ever. */
  pinnedRef: z.string(),
  /** Of the manifest. */
  digest: Digest,
  /** All of it, the manifest included. */
  sizeBytes: z.int().nonnegative(),
  /** 0 when the registry had all of it. */
  bytesSent: z.int().nonnegative(),
  /** False when the tag named it already. */
  changed: z.boolean(),
  contents: z.array(BundleContent),
});
export type PublishData = z.infer<typeof PublishData>;

export const PullData = z.strictObject({
  ref: z.string(),
  pinnedRef: z.string(),
  fileName: z.string(),
  digest: Digest,
  sizeBytes: z.int().nonnegative(),
  /** In our cache. */
  path: z.string(),
  bytesMoved: z.int().nonnegative(),
});
export type PullData = z.infer<typeof PullData>;

export const BundleCreateData = z.strictObject({
  file: z.string(),
  name: z.string(),
  /** Of the manifest: it names everything in the bundle but its signature. */
  digest: Digest,
  /** Of the file. */
  fileDigest: Digest,
  sizeBytes: z.int().nonnegative(),
  /** SHA-256 of the public key's PEM text, in hex. */
  signedBy: z.string().optional(),
  contents: z.array(BundleContent),
});
export type BundleCreateData = z.infer<typeof BundleCreateData>;

/** `signedBy`: the trusted key's file. */
export const BundleInstallData = z.strictObject({
  file: z.string(),
  digest: Digest,
  signedBy: z.string().optional(),
  contents: z.array(BundleContent),
  install: InstallReport,
});
export type BundleInstallData = z.infer<typeof BundleInstallData>;
