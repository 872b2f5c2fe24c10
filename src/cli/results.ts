/** The `data` of every command under `--json`, as schemas: `schemas/` is generated from here and scripts rely on it. */
import * as z from 'zod';
import { Family, Model } from '../catalog/schema.ts';
import { Verified } from '../compat/schema.ts';
import { DoctorReport } from '../doctor/schema.ts';
import { Recommendation } from '../fit/schema.ts';
import { HostProfile } from '../hardware/schema.ts';
import { ModelfileDifference } from '../modelfile/schema.ts';
import { InstallReport, RemoveReport, UpgradeReport } from '../provision/install/schema.ts';
import { GcReport } from '../provision/maintain/gc/schema.ts';
import { RepairReport, VerifyReport } from '../provision/maintain/problems.ts';
import { BaselineReport } from '../registry/index.ts';
import { InstallRecord } from '../registry/schema.ts';
import { PromptProof } from '../smoke/prompt/schema.ts';
import { SmokeResult } from '../smoke/schema.ts';
import { CacheContents, CachePruning, CacheVerification } from '../sources/cache/schema.ts';
import { SCHEMA_VERSION } from './envelope.ts';
import { BundleCreateData, BundleInstallData, LockData, PublishData, PullData } from './results-pinned.ts';

export * from './results-pinned.ts';

/** Why a command failed. */
export const ErrorBody = z.strictObject({
  code: z.string(),
  message: z.string(),
  suggestions: z.array(z.string()),
  causes: z.array(z.string()),
  exitCode: z.int(),
});

/** Envelope of a command whose `data` follows the given schema. */
export function envelopeOf<Data extends z.ZodType>(data: Data) {
  return z.strictObject({
    schemaVersion: z.literal(SCHEMA_VERSION),
    /** False for a failure and for a negative verdict (exit 4), which has `data` all the same. */
    ok: z.boolean(),
    command: z.string(),
    data: data.optional(),
    error: ErrorBody.optional(),
    warnings: z.array(z.string()),
  });
}

const Issue = z.strictObject({ path: z.string(), message: z.string() });

export const RecommendData = Recommendation.extend({
  hardware: HostProfile,
  /** The server that the plan is for; absent for the embedded runtime. */
  server: z.strictObject({ version: z.string(), endpoint: z.string() }).optional(),
  /** The page that was written, absolute. */
  html: z.string().optional(),
});
export type RecommendData = z.infer<typeof RecommendData>;

/** `model`: the one that was named. */
export const DoctorData = DoctorReport.extend({ model: z.string().optional() });
export type DoctorData = z.infer<typeof DoctorData>;

export const GcData = GcReport;
export type GcData = z.infer<typeof GcData>;

export const HardwareData = z.strictObject({ profile: HostProfile });
export type HardwareData = z.infer<typeof HardwareData>;

export const RunData = z.strictObject({
  response: z.string(),
  endedBy: z.enum(['stop', 'length']),
  tokens: z.int().nonnegative(),
  tokensPerSecond: z.number().optional(),
});
export type RunData = z.infer<typeof RunData>;

export const FamilySummary = z.strictObject({
  id: z.string(),
  title: z.string(),
  architecture: z.string(),
  licence: z.string(),
  /** Files that define it, the built-in one first. */
  origins: z.array(z.string()),
  models: z.array(
    z.strictObject({
      id: z.string(),
      title: z.string(),
      parameters: z.int(),
      contextLength: z.int(),
      quants: z.array(z.string()),
      /** Quants whose file ships with this package. */
      bundled: z.array(z.string()),
      library: z.string().optional(),
    }),
  ),
});
export type FamilySummary = z.infer<typeof FamilySummary>;

export const CacheListData = CacheContents;
export type CacheListData = z.infer<typeof CacheListData>;

export const CachePruneData = CachePruning;
export type CachePruneData = z.infer<typeof CachePruneData>;

export const CacheVerifyData = CacheVerification;
export type CacheVerifyData = z.infer<typeof CacheVerifyData>;

export const CatalogListData = z.strictObject({ families: z.array(FamilySummary) });
export type CatalogListData = z.infer<typeof CatalogListData>;

export const CatalogShowData = z.strictObject({ family: Family.omit({ models: true }), model: Model });
export type CatalogShowData = z.infer<typeof CatalogShowData>;

export const CatalogValidateData = z.strictObject({ file: z.string(), errors: z.array(Issue) });
export type CatalogValidateData = z.infer<typeof CatalogValidateData>;

/** `key`: SHA-256 of the public key's PEM text, in hex. */
export const CatalogSignData = z.strictObject({
  file: z.string(),
  signature: z.string(),
  key: z.string(),
  /** What the file says of itself. */
  version: z.int().positive().optional(),
  expires: z.string().optional(),
});
export type CatalogSignData = z.infer<typeof CatalogSignData>;

/** `keyFile`: the one of the trusted keys that the signature holds by. */
export const CatalogVerifyData = CatalogSignData.extend({ keyFile: z.string() });
export type CatalogVerifyData = z.infer<typeof CatalogVerifyData>;

export const ModelfileRenderData = z.strictObject({ model: z.string(), quant: z.string(), modelfile: z.string() });
export type ModelfileRenderData = z.infer<typeof ModelfileRenderData>;

export const ModelfileCheckData = z.strictObject({
  folder: z.string(),
  checked: z.int().nonnegative(),
  differences: z.array(ModelfileDifference),
});
export type ModelfileCheckData = z.infer<typeof ModelfileCheckData>;

export const ListData = z.strictObject({
  records: z.array(InstallRecord),
  /** Record files that could not be read; the others are shown all the same. */
  broken: z.array(Issue),
});
export type ListData = z.infer<typeof ListData>;

export const ShowData = z.strictObject({ records: z.array(InstallRecord) });
export type ShowData = z.infer<typeof ShowData>;

export const SmokeData = SmokeResult.extend({
  name: z.string(),
  /** With `--proof`: what the runtime feeds the model, held against the template it was trained with. */
  prompt: PromptProof.optional(),
  /** What got worse since the last good run of this suite on this model; absent when there was none. */
  baseline: BaselineReport.optional(),
});
export type SmokeData = z.infer<typeof SmokeData>;

export const CheckData = z.strictObject({
  server: z.strictObject({
    version: z.string(),
    /** Base address; `not asked` with `--server-version`. */
    endpoint: z.string(),
  }),
  /** What was asked for; absent when only the server was. */
  target: z
    .strictObject({
      model: z.string().optional(),
      family: z.string().optional(),
      file: z.string().optional(),
      architecture: z.string(),
      quant: z.string().optional(),
    })
    .optional(),
  /** False when a blocking verdict is not ok: exit 4. */
  supported: z.boolean(),
  /** Names under which the server has the model; absent without a model, and where the server did not tell. */
  installed: z.array(z.string()).optional(),
  verdicts: z.array(
    z.strictObject({
      id: z.string(),
      ok: z.boolean(),
      /** True where a "not ok" means that it does not work, false where it is worth knowing. */
      blocking: z.boolean(),
      /** First and last release that behave so, both inclusive. */
      since: z.string().optional(),
      until: z.string().optional(),
      reason: z.string(),
      remedy: z.string().optional(),
      basis: z.enum([...Verified.options, 'unknown']),
    }),
  ),
});
export type CheckData = z.infer<typeof CheckData>;

export const CompletionData = z.strictObject({ shell: z.enum(['bash', 'zsh', 'fish']), script: z.string() });
export type CompletionData = z.infer<typeof CompletionData>;

/** Command id → schema of its data. The test of the command surface holds it against the commands. */
export const RESULTS = {
  'bundle create': BundleCreateData,
  'bundle install': BundleInstallData,
  'cache list': CacheListData,
  'cache prune': CachePruneData,
  'cache verify': CacheVerifyData,
  'catalog list': CatalogListData,
  'catalog show': CatalogShowData,
  'catalog sign': CatalogSignData,
  'catalog validate': CatalogValidateData,
  'catalog verify': CatalogVerifyData,
  check: CheckData,
  completion: CompletionData,
  doctor: DoctorData,
  gc: GcData,
  hardware: HardwareData,
  install: InstallReport,
  list: ListData,
  lock: LockData,
  'modelfile check': ModelfileCheckData,
  'modelfile render': ModelfileRenderData,
  publish: PublishData,
  pull: PullData,
  recommend: RecommendData,
  remove: RemoveReport,
  repair: RepairReport,
  rollback: InstallReport,
  run: RunData,
  show: ShowData,
  smoke: SmokeData,
  upgrade: UpgradeReport,
  verify: VerifyReport,
} as const satisfies Readonly<Record<string, z.ZodType>>;
