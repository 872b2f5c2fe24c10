/** Records of what this tool installed. Old versions stay readable: migrations live beside this file. */
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import { RuntimeIdentity } from '../runtimes/contract.ts';
import { PromptProof } from '../smoke/proof/schema.ts';
import { SmokeResult } from '../smoke/schema.ts';

const When = z.iso.datetime();

export const InstalledSource = z.strictObject({
  ref: z.string(),
  digest: Digest.optional(),
  sizeBytes: z.int().nonnegative().optional(),
});

const Bytes = z.int().nonnegative();

/** What a loaded model took, by the runtime's word and by the host, beside what was predicted. */
export const MeasuredMemory = z.strictObject({
  predictedBytes: Bytes,
  /** By the runtime's word. */
  measuredBytes: Bytes.optional(),
  gpuBytes: Bytes.optional(),
  /** Measured against predicted; absent where the runtime's figure means something else. */
  ratio: z.number().positive().optional(),
  basis: z.string(),
  /** By how much the processes that run models grew in RAM, and the use of VRAM of all GPUs, from before to after. */
  residentBytes: Bytes.optional(),
  vramBytes: Bytes.optional(),
});
export type MeasuredMemory = z.infer<typeof MeasuredMemory>;

export const RecordedProof = PromptProof.pick({
  verdict: true,
  expectedFrom: true,
  bosCount: true,
  stop: true,
  winner: true,
  context: true,
  findings: true,
});
export type RecordedProof = z.infer<typeof RecordedProof>;

export const Record = z.strictObject({
  schemaVersion: z.literal(1),
  name: z.string(),
  runtime: RuntimeIdentity,
  /** Catalog ids, or what the file's header says for models that the catalog does not know. */
  family: z.string(),
  model: z.string(),
  quant: z.string(),
  architecture: z.string(),
  source: InstalledSource,
  /** What the runtime stored: its layer digest may differ from the source's. */
  stored: z.strictObject({ layerDigest: Digest.optional(), entryDigest: Digest.optional() }),
  choice: z.strictObject({ reasons: z.array(z.string()), useCase: z.string().optional() }),
  template: z.strictObject({ name: z.string(), digest: Digest }),
  profile: z.string(),
  parameters: z.record(z.string(), z.union([z.number(), z.boolean(), z.string(), z.array(z.string())])),
  licence: z.strictObject({ id: z.string(), textDigest: Digest }),
  smoke: SmokeResult.optional(),
  /** The verdict on the effective prompt at the install; the texts themselves are in the report of that run. */
  prompt: RecordedProof.optional(),
  memory: MeasuredMemory.optional(),
  toolVersion: z.string(),
  installedAt: When,
  /** The record that this one replaced, without its own past. */
  previous: z
    .strictObject({ model: z.string(), quant: z.string(), source: InstalledSource, installedAt: When })
    .optional(),
});
export type Record = z.infer<typeof Record>;

/** A licence accepted on this host, by digest of the text that was shown. */
export const Acceptance = z.strictObject({
  licence: z.string(),
  textDigest: Digest,
  acceptedAt: When,
  /** `prompt` or `flag`. */
  how: z.enum(['prompt', 'flag']),
  user: z.string(),
});
export type Acceptance = z.infer<typeof Acceptance>;

export const AcceptanceFile = z.strictObject({ schemaVersion: z.literal(1), acceptances: z.array(Acceptance) });
export type AcceptanceFile = z.infer<typeof AcceptanceFile>;

/** Who holds a lock, for the message of whoever waits. */
export const LockHolder = z.strictObject({
  pid: z.int().positive(),
  command: z.string(),
  since: When,
  /** Different for every acquisition, so that a holder can tell whether the lock is still its own. */
  token: z.string(),
});
export type LockHolder = z.infer<typeof LockHolder>;
