/** Whether a model is installed with a projector, which one, and why: `--vision` and `--projector`. */
import { architectureFacts } from '../../catalog/architectures.ts';
import { defaultModel } from '../../catalog/lookup.ts';
import type { Family, Model, Projector, Sense } from '../../catalog/schema.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { type ProjectorFacts, projectorFacts } from '../../gguf/projector.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { InstallRequest, PlannedProjector, PlanningInputs, SourceFile } from './contract.ts';
import { identifyByName } from './identify.ts';
import { locationOf } from './quant-places.ts';

type Inputs = Pick<PlanningInputs, 'catalog' | 'facts' | 'resolve' | 'readHeader'>;

/** Where a projector may be had, before anything of it was read. */
export interface ProjectorOffer {
  readonly id: string;
  readonly serves: readonly Sense[];
  /** Of its tensors; undefined where only its header knows. */
  readonly bytes?: number;
  readonly places: readonly {
    readonly ref: string;
    readonly digest?: Digest | undefined;
    readonly sizeBytes?: number | undefined;
  }[];
  /** Named by the user, or installed before: it is not weighed against the quant. */
  readonly fixed: boolean;
}

interface Subject {
  readonly family: Family;
  readonly model: Model;
}

/** What a request comes to before a file is looked at: an offer, or why there is none, where that is worth a sentence. */
export interface ProjectorWish {
  readonly offer?: ProjectorOffer;
  readonly why?: string;
}

/**
 * The request with the bytes of a projector that is wanted in any case, so that the quant is chosen beside it. What
 * cannot be wanted is refused later, when the model is known.
 */
export async function withProjectorBytes(request: InstallRequest, inputs: Inputs): Promise<InstallRequest> {
  if (request.vision === 'off' || (request.vision !== 'on' && request.projector === undefined)) return request;
  if (request.projector !== undefined) {
    const { facts } = await openProjector(request.projector, inputs);
    return { ...request, projectorBytes: facts.tensorBytes };
  }
  if (request.model === undefined && request.from !== undefined) return request;
  const { model } = identifyByName(inputs.catalog, request.model ?? defaultModel(inputs.catalog), request.quant);
  const bytes = bytesOf(model.projectors?.[0]);
  return bytes === undefined ? request : { ...request, projectorBytes: bytes };
}

/**
 * Which projector goes with a model. Throws where one is demanded and cannot be: `bad-usage` for a model without one,
 * `runtime-too-old` for a runtime that takes text only.
 */
export function wishFor(
  { family, model }: Subject,
  request: InstallRequest,
  record: InstallRecord | undefined,
  inputs: Inputs,
): ProjectorWish {
  const { vision = 'auto', projector } = request;
  if (vision === 'off') {
    if (projector === undefined) return {};
    throw new ProvisionError('bad-usage', '--projector cannot be used with --vision off', {
      suggestions: ['Omit one of the two.'],
    });
  }
  const demanded = vision === 'on' || projector !== undefined;
  const found = projector === undefined ? offerOf(model, request, record, demanded) : givenOffer(projector);
  if (found.offer === undefined) {
    if (!demanded) return found;
    throw new ProvisionError('bad-usage', `${model.id} cannot take pictures: ${found.why ?? 'it has no projector'}`, {
      suggestions: ['Omit --vision on.', 'Or name a projector file that was made for it: --projector REF'],
    });
  }
  const refusal = inputs.facts.projectorRefusal(family.architecture);
  if (refusal === undefined) return found;
  if (!demanded) return { why: refusal.reason };
  throw new ProvisionError('runtime-too-old', `${model.id} cannot take pictures here: ${refusal.reason}`, {
    suggestions: [refusal.remedy],
  });
}

function givenOffer({ ref, digest }: NonNullable<InstallRequest['projector']>): ProjectorWish {
  return { offer: { id: 'own', serves: [], places: [{ ref, digest }], fixed: true } };
}

function offerOf(
  model: Model,
  request: InstallRequest,
  record: InstallRecord | undefined,
  demanded: boolean,
): ProjectorWish {
  const kept = record?.projector;
  if (kept !== undefined && !request.force) {
    const { source, id, serves } = kept;
    const ref = source.path ?? source.pinnedRef ?? source.ref;
    return {
      offer: { id, serves, places: [{ ref, digest: source.digest, sizeBytes: source.sizeBytes }], fixed: true },
    };
  }
  const [best] = model.projectors ?? [];
  if (best === undefined) {
    const sees = model.modalities.some(({ kind, direction }) => kind !== 'text' && direction === 'input');
    if (!demanded) return {};
    return { why: sees ? 'no projector is published for it' : 'it takes text only' };
  }
  if (!demanded && record !== undefined && !request.force)
    return { why: `${record.name} was installed without a projector; --vision on adds ${best.id}` };
  if (!demanded && request.from !== undefined)
    return { why: `its file was named with --from; --vision on adds the projector ${best.id}` };
  const bytes = bytesOf(best);
  const places = (best.sources ?? []).map(({ ref, digest = best.digest, sizeBytes = best.fileBytes?.value }) => ({
    ref,
    digest,
    sizeBytes,
  }));
  if (places.length === 0) return { why: `its projector ${best.id} has no source` };
  return {
    offer: { id: best.id, serves: best.serves, places, fixed: demanded, ...(bytes !== undefined && { bytes }) },
  };
}

function bytesOf(projector: Projector | undefined): number | undefined {
  return projector?.tensorBytes?.value ?? projector?.fileBytes?.value;
}

/** Faults of one place that another may not have. */
const ELSEWHERE: ReadonlySet<string> = new Set(['network', 'remote-fault', 'source-not-found', 'unauthorised']);

/**
 * Finds the file of an offer at the first of its places that has it, and checks by its header that it belongs to the model.
 * Throws what the last place throws, `wrong-architecture` for a file that is something else.
 */
export async function resolveProjector(
  offer: ProjectorOffer,
  subject: Subject,
  inputs: Inputs,
): Promise<PlannedProjector> {
  let failure: unknown;
  for (const place of offer.places) {
    try {
      const { file, facts } = await openProjector(place, inputs);
      requireMatch(file, facts, subject, inputs);
      return { id: offer.id, serves: facts.serves, file, bytes: facts.tensorBytes };
    } catch (error) {
      if (!(error instanceof ProvisionError) || !ELSEWHERE.has(error.code)) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function openProjector(
  { ref, digest, sizeBytes }: ProjectorOffer['places'][number],
  inputs: Inputs,
): Promise<{ readonly file: SourceFile; readonly facts: ProjectorFacts }> {
  const expected = { ...(digest !== undefined && { digest }), ...(sizeBytes !== undefined && { sizeBytes }) };
  const file = await inputs.resolve({ ref, expected });
  if (file.kind === 'library') throw new ProvisionError('bad-usage', `${ref} is not a file`);
  const header = await inputs.readHeader(file);
  const facts = projectorFacts(header);
  if (facts !== undefined) return { file, facts };
  throw new ProvisionError(
    'wrong-architecture',
    `${locationOf(file)} is not a projector: it has the architecture ${header.architecture}`,
    { suggestions: ['Name the mmproj file of the model with --projector, and the model itself with --from.'] },
  );
}

/** A server only finds out when it loads both, after every byte has moved. */
function requireMatch(file: SourceFile, facts: ProjectorFacts, { family, model }: Subject, { catalog }: Inputs): void {
  const known = architectureFacts(family.architecture).projectorTypes?.value;
  const wrong = known === undefined ? undefined : facts.types.find((type) => !known.includes(type));
  if (wrong !== undefined) {
    throw another(file, `its type is ${wrong}, and ${family.architecture} takes ${known?.join(', ')}`);
  }
  const wanted = model.hyperparameters.embeddingLength;
  if (facts.embeddingLength === undefined || facts.embeddingLength === wanted) return;
  const owner = catalog.families
    .filter((each) => each.family.architecture === family.architecture)
    .flatMap((each) => each.family.models)
    .find(({ hyperparameters }) => hyperparameters.embeddingLength === facts.embeddingLength);
  const whose = owner === undefined ? '' : `, as for ${owner.id}`;
  throw another(file, `it writes embeddings of ${facts.embeddingLength} values${whose}; ${model.id} has ${wanted}`);
}

function another(file: SourceFile, why: string): ProvisionError {
  return new ProvisionError('wrong-architecture', `${locationOf(file)} is a projector of another model: ${why}`, {
    suggestions: ['Name the projector that was published with the model, or omit --projector.'],
  });
}

/** What is said of a projector that goes with the model. */
export function addedReason({ id, serves, file, bytes }: PlannedProjector): string {
  const what = serves.map((sense) => ({ image: 'pictures', audio: 'sound' })[sense]).join(' and ');
  return `the projector ${id} is added for ${what}: ${formatBytes(file.sizeBytes)} to store, ${formatBytes(bytes)} of weights`;
}

export function notAddedReason(why: string): string {
  return `no projector is added, so it takes text only: ${why}`;
}
