import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '../../core/digest.ts';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Held } from '../../registry/index.ts';
import type { InstallRecord, MeasuredMemory, RecordedProof } from '../../registry/schema.ts';
import type { RuntimeIdentity, StoredModel, TransferWay } from '../../runtimes/contract.ts';
import { capabilitiesOf } from '../../runtimes/registry.ts';
import type { PromptProof } from '../../smoke/prompt/schema.ts';
import type { SmokeResult, Suite } from '../../smoke/schema.ts';
import { type InstallPlan, type SourceFile, usersPath } from '../plan/contract.ts';
import type { TransactionEffects, TransactionOptions } from './effects.ts';
import type { Previous } from './versions.ts';
import { BROKEN, sameModelIdentity } from './versions.ts';

/** Name of the library's own template in records. */
const LIBRARY_TEMPLATE = 'ollama-library';

/** What was found out about a model before it got its name; nothing of it without a smoke test. */
export interface Tested {
  readonly smoke?: SmokeResult;
  readonly prompt?: PromptProof;
  readonly memory?: MeasuredMemory;
}

interface Ingredients {
  /** The plan with the source's digest known. */
  readonly plan: InstallPlan;
  readonly promoted: StoredModel;
  /** How the bytes got in. */
  readonly way?: TransferWay | undefined;
  readonly tested: Tested;
  /** The suite that it passed. */
  readonly suite?: Suite | undefined;
  readonly acceptedAt?: string | undefined;
  readonly previous?: Previous | undefined;
  readonly lock?: Digest | undefined;
  readonly effects: Pick<TransactionEffects, 'now' | 'toolVersion'>;
}

/** The record of a finished install. */
export function recordOf(ingredients: Ingredients): InstallRecord {
  const { plan, promoted, way, tested, suite, acceptedAt, previous, lock, effects } = ingredients;
  return {
    schemaVersion: 2,
    name: plan.name,
    runtime: plan.runtime,
    family: plan.family.id,
    model: plan.model.id,
    quant: plan.quant,
    architecture: plan.family.architecture,
    source: sourceOf(plan, promoted),
    ...projectorOf(plan),
    stored: {
      ...(promoted.layerDigest && { layerDigest: promoted.layerDigest }),
      ...(promoted.projectorDigest && { projectorDigest: promoted.projectorDigest }),
      ...(promoted.entryDigest && { entryDigest: promoted.entryDigest }),
      ...(way !== undefined && { way }),
    },
    choice: {
      reasons: [...plan.reasons],
      ...(plan.useCase !== undefined && { useCase: plan.useCase }),
      ...(plan.policy !== undefined && { policy: plan.policy }),
      ...(plan.automatic && { automatic: true }),
    },
    ...modelfileOf(plan, promoted),
    licence: {
      id: plan.family.licence.id,
      textDigest: digestOf(plan.family.licence.text),
      ...(acceptedAt !== undefined && { acceptedAt }),
    },
    ...(suite !== undefined && tested.smoke !== undefined && { suite: suiteOf(suite) }),
    ...(tested.smoke !== undefined && { smoke: tested.smoke }),
    ...(tested.prompt !== undefined && { prompt: recordedProof(tested.prompt) }),
    ...(tested.memory !== undefined && { memory: tested.memory }),
    ...(lock !== undefined && { lock }),
    toolVersion: effects.toolVersion,
    installedAt: effects.now().toISOString(),
    ...(previous !== undefined && { previous }),
  };
}

/** A suite by its content: one that is edited later is another. */
export function suiteOf(suite: Suite): NonNullable<InstallRecord['suite']> {
  return { id: suite.id, digest: digestOf(JSON.stringify(suite)) };
}

/** The texts stay in the report: a record says what was found, not what was compared. */
function recordedProof(proof: PromptProof): RecordedProof {
  const { verdict, expectedFrom, bosCount, stop, winner, context, findings } = proof;
  return { verdict, expectedFrom, stop, winner, context, findings, ...(bosCount !== undefined && { bosCount }) };
}

function sourceOf(plan: InstallPlan, promoted: StoredModel): InstallRecord['source'] {
  if (plan.source.kind === 'file') return fileSourceOf(plan.source.file);
  return {
    ref: plan.source.ref,
    ...(promoted.layerDigest && { digest: promoted.layerDigest }),
    ...(promoted.sizeBytes !== undefined && { sizeBytes: promoted.sizeBytes }),
  };
}

/** The projector of a plan as records and reports describe it. */
export function projectorOf({ source }: InstallPlan): Pick<InstallRecord, 'projector'> {
  if (source.kind !== 'file' || source.projector === undefined) return {};
  const { id, serves, file } = source.projector;
  return { projector: { id, serves: [...serves], source: fileSourceOf(file) } };
}

/** A source file as records and reports describe it. */
export function fileSourceOf(file: SourceFile): InstallRecord['source'] {
  const { ref, digest, sizeBytes, pinnedRef, provenance, servedBy } = file;
  // A file of our cache or of another tool's store is found by its digest: where it lies is their own business.
  const path = usersPath(file);
  return {
    ref,
    sizeBytes,
    ...(digest !== undefined && { digest }),
    ...(pinnedRef !== undefined && { pinnedRef }),
    ...(path !== undefined && { path }),
    ...(provenance !== undefined && { provenance }),
    ...(servedBy !== undefined && { servedBy }),
  };
}

function modelfileOf(
  plan: InstallPlan,
  promoted: StoredModel,
): Pick<InstallRecord, 'template' | 'profile' | 'parameters'> {
  if (plan.source.kind === 'file') {
    const { spec } = plan.source;
    return {
      template: {
        name: spec.templateName,
        digest: spec.templateDigest,
        ...(spec.builtIn !== undefined && { builtIn: spec.builtIn }),
      },
      profile: spec.profile,
      parameters: spec.parameters,
    };
  }
  return {
    template: { name: LIBRARY_TEMPLATE, digest: digestOf(promoted.template ?? '') },
    profile: 'library',
    parameters: {},
  };
}

/** What must be the same for an install to have nothing to do. */
interface Wanted {
  readonly digest: Digest | undefined;
  readonly options: Pick<TransactionOptions, 'suite'>;
}

/**
 * True when the record says that exactly this was installed, the runtime still holds what was recorded, and a
 * wanted smoke test was passed then.
 */
export function isUpToDate(
  plan: InstallPlan,
  { digest, options }: Wanted,
  before: InstallRecord | undefined,
  present: StoredModel | undefined,
): before is InstallRecord {
  if (plan.source.kind === 'library' || before === undefined || present === undefined) return false;
  if (digest === undefined || before.source.digest !== digest) return false;
  if (before.projector?.source.digest !== plan.source.projector?.file.digest) return false;
  if (before.model !== plan.model.id || before.quant !== plan.quant) return false;
  return isProven(before, options) && sameModelfile(plan, before) && isOurs(before, present);
}

/** True when no smoke test is wanted now, or one was passed then and the prompt was looked at. */
export function isProven({ smoke, prompt }: InstallRecord, { suite }: Pick<TransactionOptions, 'suite'>): boolean {
  return suite === undefined || (smoke?.failed === 0 && prompt !== undefined);
}

function sameModelfile(plan: InstallPlan, before: InstallRecord): boolean {
  if (plan.source.kind !== 'file') return false;
  const { spec } = plan.source;
  return (
    before.template.digest === spec.templateDigest &&
    isDeepStrictEqual(before.template.builtIn, spec.builtIn) &&
    isDeepStrictEqual(before.parameters, spec.parameters) &&
    before.licence.textDigest === digestOf(plan.family.licence.text)
  );
}

/** True when what the runtime has under a name is surely what this tool put there: unchanged, by a record of its own. */
export function isOurs({ stored, rebuilt }: Pick<InstallRecord, 'stored' | 'rebuilt'>, present: Held): boolean {
  return rebuilt?.proven !== false && sameModelIdentity(stored, present);
}

/**
 * Throws `foreign-model` where a name has a model that this tool did not put there: without a record of ours, changed
 * since, or with a record that was only rebuilt. `suggestions`: how to go on all the same.
 */
export function refuseForeignModel(
  name: string,
  runtime: RuntimeIdentity['kind'],
  record: InstallRecord | undefined,
  present: StoredModel | typeof BROKEN | undefined,
  suggestions: readonly string[],
): void {
  if (present === undefined || (record !== undefined && (present === BROKEN || isOurs(record, present)))) return;
  // In a store of our own a changed entry is damage: nobody else makes models there.
  if (record !== undefined && !capabilitiesOf(runtime).isServer) return;
  let why = `${name} was changed since this tool installed it`;
  if (record === undefined) why = `${name} exists in ${runtime} and was not installed by this tool`;
  else if (record.rebuilt?.proven === false)
    why = `the record of ${name} was rebuilt from what ${runtime} reports, so it is unknown who made the model`;
  throw new ProvisionError('foreign-model', why, { suggestions });
}
