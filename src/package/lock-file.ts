/**
 * `gemma-provision.lock`: everything that decides what an install puts in place, so that another host, or the same one
 * next year, gets the same. Holds no time, no host name and no absolute path of a file that lies beside it.
 */
import * as z from 'zod';
import { canonicalJson, Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { checkDocument, parseJson } from '../core/parse.ts';

export const LOCK_FILE_NAME = 'gemma-provision.lock';

const Text = z.string().min(1).max(4096);
const Release = z.string().regex(/^\d+\.\d+\.\d+$/, 'must be a release such as 0.9.3');
const Parameter = z.union([z.number(), z.boolean(), z.string(), z.array(z.string())]);

export const LockFile = z.strictObject({
  schemaVersion: z.literal(1),
  /** Catalog ids, or what the file's header says for a model that the catalog does not know. */
  family: Text,
  model: Text,
  quant: Text,
  /** The name that answers in the runtime. */
  name: Text,
  source: z.strictObject({
    /** `package:…` ships with this tool; `file:…` counts from the folder of the lock file; else as the user wrote it. */
    ref: Text,
    /** Names the same bytes for ever: a commit instead of a branch, a digest instead of a tag. */
    pinnedRef: Text.optional(),
    digest: Digest,
    sizeBytes: z.int().positive(),
    /** Licence, base model and quantiser in the publisher's words. */
    provenance: z
      .strictObject({ licence: Text.optional(), baseModel: Text.optional(), quantiser: Text.optional() })
      .optional(),
  }),
  /** What the file says of itself. */
  header: z.strictObject({
    architecture: Text,
    quant: Text.optional(),
    contextLength: z.int().positive().optional(),
    /** Digest of the Jinja template in it. */
    chatTemplate: Digest.optional(),
  }),
  /** The Go template. */
  template: z.strictObject({ name: Text, digest: Digest }),
  /** Sampling profile that the parameters began with. */
  profile: Text,
  /** Under Ollama's names, without `stop`. */
  parameters: z.record(z.string().min(1), Parameter),
  stop: z.array(z.string()),
  system: z.string().optional(),
  licence: z.strictObject({ id: Text, textDigest: Digest }),
  /** Ollama servers that can load it, both ends included; absent where nothing is known. */
  server: z.strictObject({ min: Release, max: Release.optional() }).optional(),
  suite: z.strictObject({ id: Text, digest: Digest }).optional(),
  /** Of what the catalog says of this model; `version` is that of the file that defined the family. */
  catalog: z.strictObject({ digest: Digest, version: z.int().positive().optional() }),
  toolVersion: Text,
});
export type LockFile = z.infer<typeof LockFile>;

/** The text of a lock file: the same lock gives the same bytes. */
export function writeLock(lock: LockFile): string {
  return canonicalJson(LockFile.parse(lock));
}

/** Reads a lock file. Throws `bad-lock-file` with the JSON path of what is wrong. */
export function parseLock(text: string, name: string): LockFile {
  const document = {
    name,
    code: 'bad-lock-file',
    suggestions: ['Write it anew with: gemma-provision lock'],
  } as const;
  const value = parseJson(text, document);
  const { data } = z.object({ schemaVersion: z.int().min(2) }).safeParse(value);
  if (data !== undefined) {
    throw new ProvisionError(
      'bad-lock-file',
      `${name} was written by a newer version of gemma-provision (its schemaVersion is ${data.schemaVersion})`,
      { suggestions: ['Upgrade gemma-provision on this host.'] },
    );
  }
  return checkDocument(LockFile, value, document, Object.keys(LockFile.shape));
}
