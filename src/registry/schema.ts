/** Records of what this tool installed. Old versions stay readable: migrations live beside this file. */
import * as z from 'zod';
import { Sense } from '../catalog/projector-schema.ts';
import { Digest } from '../core/digest.ts';
import { ChoicePolicy } from '../fit/schema.ts';
import { BuiltInFormat } from '../modelfile/schema.ts';
import { RuntimeIdentity, TransferWay } from '../runtimes/contract.ts';
import { PromptProof } from '../smoke/prompt/schema.ts';
import { SmokeResult } from '../smoke/schema.ts';

const When = z.iso.datetime();

export const InstalledSource = z.strictObject({
  ref: z.string(),
  digest: Digest.optional(),
  sizeBytes: z.int().nonnegative().optional(),
  /** Always names the same bytes; absent for files of this machine and for library models. */
  pinnedRef: z.string().optional(),
  /** Absolute path of a file of this machine: where a repair looks first. */
  path: z.string().optional(),
  /** What gave the bytes in place of the origin: a mirror's address, or another tool's store on this machine. */
  servedBy: z.string().optional(),
  /** Licence, base model and quantiser in the publisher's words. */
  provenance: z
    .strictObject({
      licence: z.string().optional(),
      baseModel: z.string().optional(),
      quantiser: z.string().optional(),
    })
    .optional(),
});

export const InstalledProjector = z.strictObject({ id: z.string(), serves: z.array(Sense), source: InstalledSource });
export type InstalledProjector = z.infer<typeof InstalledProjector>;

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

const RecordBody = z.strictObject({
  schemaVersion: z.literal(2),
  name: z.string(),
  runtime: RuntimeIdentity,
  /** Catalog ids, or what the file's header says for models that the catalog does not know. */
  family: z.string(),
  model: z.string(),
  quant: z.string(),
  architecture: z.string(),
  source: InstalledSource,
  /** What it takes pictures or sound with; absent for text alone. `id`: the catalog's, or `own`. */
  projector: InstalledProjector.optional(),
  /** What the runtime stored: its layer digest may differ from the source's. `way`: how the bytes got in. */
  stored: z.strictObject({
    layerDigest: Digest.optional(),
    projectorDigest: Digest.optional(),
    entryDigest: Digest.optional(),
    way: TransferWay.optional(),
  }),
  choice: z.strictObject({
    reasons: z.array(z.string()),
    useCase: z.string().optional(),
    /** How this tool chose the quant; absent where it did not choose, or before there were two ways. */
    policy: ChoicePolicy.optional(),
    /** This tool chose the quant among several; absent where the user, a file or a lock file decided. */
    automatic: z.literal(true).optional(),
  }),
  /** `builtIn`: the server's own format, which is written instead of the template. */
  template: z.strictObject({ name: z.string(), digest: Digest, builtIn: BuiltInFormat.exactOptional() }),
  profile: z.string(),
  parameters: z.record(z.string(), z.union([z.number(), z.boolean(), z.string(), z.array(z.string())])),
  /** The text that was accepted, with when and how where this host has that on record. */
  licence: z.strictObject({ id: z.string(), textDigest: Digest, acceptedAt: When.optional() }),
  /** The suite that it passed, by its content. */
  suite: z.strictObject({ id: z.string(), digest: Digest }).optional(),
  smoke: SmokeResult.optional(),
  /** The verdict on the effective prompt at the install; the texts themselves are in the report of that run. */
  prompt: RecordedProof.optional(),
  memory: MeasuredMemory.optional(),
  /** Digest of the lock file or bundle that it was installed from. */
  lock: Digest.optional(),
  toolVersion: z.string(),
  installedAt: When,
  /**
   * When `repair` rebuilt this record from what the runtime reports. `proven`: the broken file still named the digest of
   * the model that the runtime has. Absent for a record that an install wrote.
   */
  rebuilt: z.strictObject({ at: When, proven: z.boolean() }).optional(),
});

/** A version that was replaced. */
export const PreviousRecord = RecordBody.extend({
  /** The name in the runtime under which it is kept for a rollback; absent when it is no longer kept. */
  keptAs: z.string().optional(),
});
export type PreviousRecord = z.infer<typeof PreviousRecord>;

export const InstallRecord = RecordBody.extend({
  /** The version that this one replaced, without its own past. */
  previous: PreviousRecord.optional(),
});
export type InstallRecord = z.infer<typeof InstallRecord>;

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
