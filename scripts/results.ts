import * as z from 'zod';
import { CompletionData } from '../src/cli/completion.ts';
import { SCHEMA_VERSION } from '../src/cli/envelope.ts';
import { DoctorData } from '../src/doctor/schema.ts';
import { CheckData } from '../src/provision/check/check.ts';
import { InstallReport, RemoveReport, UpgradeReport } from '../src/provision/install/schema.ts';
import { SmokeData } from '../src/provision/install/smoke.ts';
import { RunData } from '../src/provision/maintain/chat.ts';
import { GcReport } from '../src/provision/maintain/gc/schema.ts';
import { RepairReport, VerifyReport } from '../src/provision/maintain/problems.ts';
import { ListData, ShowData } from '../src/provision/maintain/records.ts';
import { CatalogDeriveData } from '../src/provision/plan/catalog-derive.ts';
import { CatalogListData, CatalogShowData, CatalogValidateData } from '../src/provision/plan/catalog-files.ts';
import { CatalogRefreshData } from '../src/provision/plan/catalog-refresh.ts';
import { CatalogSignData, CatalogVerifyData } from '../src/provision/plan/catalog-trust.ts';
import { HardwareData } from '../src/provision/plan/host.ts';
import { ModelfileCheckData, ModelfileRenderData } from '../src/provision/plan/modelfiles.ts';
import { RecommendData } from '../src/provision/plan/recommend.ts';
import { QualityData } from '../src/provision/quality/measure.ts';
import { BundleCreateData, BundleInstallData } from '../src/provision/share/bundle.ts';
import { LockData } from '../src/provision/share/lock.ts';
import { PublishData, PullData } from '../src/provision/share/publish.ts';
import { CacheContents, CachePruning, CacheVerification } from '../src/sources/cache/schema.ts';

/** Command id → schema of its data. The test of the command surface compares it with the commands. */
export const RESULTS = {
  'bench quality': QualityData,
  'bundle create': BundleCreateData,
  'bundle install': BundleInstallData,
  'cache list': CacheContents,
  'cache prune': CachePruning,
  'cache verify': CacheVerification,
  'catalog derive': CatalogDeriveData,
  'catalog list': CatalogListData,
  'catalog refresh': CatalogRefreshData,
  'catalog show': CatalogShowData,
  'catalog sign': CatalogSignData,
  'catalog validate': CatalogValidateData,
  'catalog verify': CatalogVerifyData,
  check: CheckData,
  completion: CompletionData,
  doctor: DoctorData,
  gc: GcReport,
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

/** Why a command failed. */
const ErrorBody = z.strictObject({
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
