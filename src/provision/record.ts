import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '../core/digest.ts';
import { digestOf } from '../core/digest-of.ts';
import type { Record as Installed, MeasuredMemory, RecordedProof } from '../registry/schema.ts';
import type { StoredModel } from '../runtimes/contract.ts';
import type { PromptProof } from '../smoke/proof/schema.ts';
import type { SmokeResult } from '../smoke/schema.ts';
import type { TransactionEffects, TransactionOptions } from './effects.ts';
import type { InstallPlan } from './plan.ts';

/** Name that stands for the library's own template in records. */
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
  readonly tested: Tested;
  readonly before: Installed | undefined;
  readonly effects: Pick<TransactionEffects, 'now' | 'toolVersion'>;
}

/** The record of a finished install. */
export function recordOf({ plan, promoted, tested, before, effects }: Ingredients): Installed {
  return {
    schemaVersion: 1,
    name: plan.name,
    runtime: plan.runtime,
    family: plan.family.id,
    model: plan.model.id,
    quant: plan.quant,
    architecture: plan.family.architecture,
    source: sourceOf(plan, promoted),
    stored: {
      ...(promoted.layerDigest && { layerDigest: promoted.layerDigest }),
      ...(promoted.entryDigest && { entryDigest: promoted.entryDigest }),
    },
    choice: { reasons: [...plan.reasons], ...(plan.useCase !== undefined && { useCase: plan.useCase }) },
    ...modelfileOf(plan, promoted),
    licence: { id: plan.family.licence.id, textDigest: digestOf(plan.family.licence.text) },
    ...(tested.smoke !== undefined && { smoke: tested.smoke }),
    ...(tested.prompt !== undefined && { prompt: recordedProof(tested.prompt) }),
    ...(tested.memory !== undefined && { memory: tested.memory }),
    toolVersion: effects.toolVersion,
    installedAt: effects.now().toISOString(),
    ...(before !== undefined && { previous: previousOf(before) }),
  };
}

/** The texts stay in the report: a record says what was found, not what was compared. */
function recordedProof(proof: PromptProof): RecordedProof {
  const { verdict, expectedFrom, bosCount, stop, winner, context, findings } = proof;
  return { verdict, expectedFrom, stop, winner, context, findings, ...(bosCount !== undefined && { bosCount }) };
}

function sourceOf(plan: InstallPlan, promoted: StoredModel): Installed['source'] {
  if (plan.source.kind === 'file') {
    const { ref, digest, sizeBytes } = plan.source.file;
    return { ref, sizeBytes, ...(digest !== undefined && { digest }) };
  }
  return {
    ref: plan.source.ref,
    ...(promoted.layerDigest && { digest: promoted.layerDigest }),
    ...(promoted.sizeBytes !== undefined && { sizeBytes: promoted.sizeBytes }),
  };
}

function modelfileOf(plan: InstallPlan, promoted: StoredModel): Pick<Installed, 'template' | 'profile' | 'parameters'> {
  if (plan.source.kind === 'file') {
    const { spec } = plan.source;
    return {
      template: { name: spec.templateName, digest: spec.templateDigest as Digest },
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

function previousOf(before: Installed): NonNullable<Installed['previous']> {
  const { model, quant, source, installedAt } = before;
  return { model, quant, source, installedAt };
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
  before: Installed | undefined,
  present: StoredModel | undefined,
): before is Installed {
  if (plan.source.kind === 'library' || before === undefined || present === undefined) return false;
  if (digest === undefined || before.source.digest !== digest) return false;
  if (before.model !== plan.model.id || before.quant !== plan.quant) return false;
  return isProven(before, options) && sameModelfile(plan, before) && stillHolds(before, present);
}

/** True when no smoke test is wanted now, or one was passed then and the prompt was looked at. */
export function isProven({ smoke, prompt }: Installed, { suite }: Pick<TransactionOptions, 'suite'>): boolean {
  return suite === undefined || (smoke?.failed === 0 && prompt !== undefined);
}

function sameModelfile(plan: InstallPlan, before: Installed): boolean {
  if (plan.source.kind !== 'file') return false;
  const { spec } = plan.source;
  return (
    before.template.digest === spec.templateDigest &&
    isDeepStrictEqual(before.parameters, spec.parameters) &&
    before.licence.textDigest === digestOf(plan.family.licence.text)
  );
}

/** False when somebody changed the entry behind our back. */
export function stillHolds(before: Installed, present: StoredModel): boolean {
  const { entryDigest, layerDigest } = before.stored;
  if (entryDigest !== undefined && present.entryDigest !== undefined) return entryDigest === present.entryDigest;
  return layerDigest === undefined || present.layerDigest === undefined || layerDigest === present.layerDigest;
}
