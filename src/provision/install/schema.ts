/** What `install` and its relatives report; all sizes in bytes, all times in milliseconds. */
import * as z from 'zod';
import { MemoryEstimate } from '../../fit/schema.ts';
import { InstalledProjector, InstalledSource, InstallRecord } from '../../registry/schema.ts';
import { RuntimeIdentity, TransferWay } from '../../runtimes/contract.ts';
import { PromptProof } from '../../smoke/prompt/schema.ts';
import { SmokeResult } from '../../smoke/schema.ts';

const Bytes = z.int().nonnegative();

export const StepId = z.enum(['fetch', 'verify', 'pull', 'store', 'smoke', 'prove', 'promote', 'record', 'clean']);
export type StepId = z.infer<typeof StepId>;

export const Step = z.strictObject({
  id: StepId,
  status: z.enum(['planned', 'done', 'skipped', 'failed']),
  ms: z.number().nonnegative(),
  /** Bytes read or moved by this step. */
  bytes: Bytes,
});
export type Step = z.infer<typeof Step>;

/** Room that one volume must have before the first byte moves. */
export const DiskNeed = z.strictObject({
  purpose: z.enum(['models', 'data', 'cache']),
  path: z.string(),
  needBytes: Bytes,
  /** Absent where we cannot look: a server on another host. */
  freeBytes: Bytes.optional(),
  why: z.string(),
});
export type DiskNeed = z.infer<typeof DiskNeed>;

/** Where bytes are that do not come from their origin: in our cache, in another tool's store on this machine, or on a mirror. */
export const BytesFrom = z.strictObject({
  at: z.enum(['cache', 'store', 'mirror']),
  /** Of the store, or the mirror's address. */
  name: z.string().optional(),
  /** On this machine. */
  path: z.string().optional(),
});
export type BytesFrom = z.infer<typeof BytesFrom>;

export const InstallReport = z.strictObject({
  dryRun: z.boolean(),
  /** False when everything was in place already. */
  changed: z.boolean(),
  model: z.string(),
  quant: z.string(),
  name: z.string(),
  runtime: RuntimeIdentity,
  source: InstalledSource,
  /** What it takes pictures or sound with; absent for text alone. */
  projector: InstalledProjector.optional(),
  choice: z.strictObject({ reasons: z.array(z.string()) }),
  /** Of the model; absent where only a record is known of it. */
  licence: z.strictObject({ id: z.string(), url: z.string(), acceptanceRequired: z.boolean() }).optional(),
  plan: z.strictObject({
    bytesToMove: Bytes,
    disk: z.array(DiskNeed),
    memory: MemoryEstimate.optional(),
    bytesFrom: BytesFrom.optional(),
  }),
  steps: z.array(Step),
  smoke: SmokeResult.optional(),
  /** The prompt that the model receives, compared with its training template. */
  prompt: PromptProof.optional(),
  bytesMoved: Bytes,
  /** How the bytes get into the runtime, and why so; absent where the runtime fetches them itself, and where none moved. */
  way: TransferWay.optional(),
  why: z.string().optional(),
  record: InstallRecord.optional(),
  previous: InstallRecord.shape.previous,
  /** File of the trusted key by which a bundle or published model is signed; absent where no signature was verified. */
  signedBy: z.string().optional(),
});
export type InstallReport = z.infer<typeof InstallReport>;

export const RemoveReport = z.strictObject({
  name: z.string(),
  runtime: RuntimeIdentity,
  /** False when the runtime no longer had it and only the record was dropped. */
  removedFromRuntime: z.boolean(),
  /** The version before it, which was kept for a rollback and is gone as well. */
  previous: z.strictObject({ model: z.string(), quant: z.string(), keptAs: z.string() }).optional(),
});
export type RemoveReport = z.infer<typeof RemoveReport>;

/** One model of an `upgrade`: what an install of it reports, or why there was none. */
export const UpgradeResult = z.strictObject({
  name: z.string(),
  runtime: RuntimeIdentity.pick({ kind: true, endpoint: true }),
  ok: z.boolean(),
  report: InstallReport.optional(),
  error: z
    .strictObject({ code: z.string(), message: z.string(), suggestions: z.array(z.string()), exitCode: z.int() })
    .optional(),
});
export type UpgradeResult = z.infer<typeof UpgradeResult>;

export const UpgradeReport = z.strictObject({ results: z.array(UpgradeResult) });
export type UpgradeReport = z.infer<typeof UpgradeReport>;
