/** What `install` and its relatives report; all sizes in bytes, all times in milliseconds. */
import * as z from 'zod';
import { MemoryEstimate } from '../fit/schema.ts';
import { InstalledSource, Record } from '../registry/schema.ts';
import { RuntimeIdentity } from '../runtimes/contract.ts';
import { PromptProof } from '../smoke/proof/schema.ts';
import { SmokeResult } from '../smoke/schema.ts';

const Bytes = z.int().nonnegative();

export const StepId = z.enum(['verify', 'pull', 'store', 'smoke', 'prove', 'promote', 'record']);
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
  purpose: z.enum(['models', 'data']),
  path: z.string(),
  needBytes: Bytes,
  /** Absent where we cannot look: a server on another host. */
  freeBytes: Bytes.optional(),
  why: z.string(),
});
export type DiskNeed = z.infer<typeof DiskNeed>;

export const InstallReport = z.strictObject({
  dryRun: z.boolean(),
  /** False when everything was in place already. */
  changed: z.boolean(),
  model: z.string(),
  quant: z.string(),
  name: z.string(),
  runtime: RuntimeIdentity,
  source: InstalledSource,
  choice: z.strictObject({ reasons: z.array(z.string()) }),
  plan: z.strictObject({ bytesToMove: Bytes, disk: z.array(DiskNeed), memory: MemoryEstimate.optional() }),
  steps: z.array(Step),
  smoke: SmokeResult.optional(),
  /** What the runtime feeds the model, held against the template it was trained with. */
  prompt: PromptProof.optional(),
  bytesMoved: Bytes,
  record: Record.optional(),
  previous: Record.shape.previous,
});
export type InstallReport = z.infer<typeof InstallReport>;

export const RemoveReport = z.strictObject({
  name: z.string(),
  runtime: RuntimeIdentity,
  /** False when the runtime no longer had it and only the record was dropped. */
  removedFromRuntime: z.boolean(),
});
export type RemoveReport = z.infer<typeof RemoveReport>;
