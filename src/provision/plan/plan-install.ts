/** Decides everything about an install before anything changes: model, quant, source, name, room, and why. */
import { chatTemplateName } from '../../catalog/chat-format.ts';
import type { Family, Model } from '../../catalog/schema.ts';
import type { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import type { SettingOrigins } from '../../fit/choice/request.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { modelSpec } from '../../modelfile/spec.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { ModelNeeds } from '../../runtimes/contract.ts';
import { parseModelName, sameModel } from '../../runtimes/names.ts';
import { capabilitiesOf } from '../../runtimes/registry.ts';
import type { KnownPrompt } from '../../smoke/prompt/request.ts';
import { chooseTemplate } from './chat-template.ts';
import type {
  InstallPlan,
  InstallRequest,
  LoadSettings,
  PlannedProjector,
  PlanningInputs,
  SourceFile,
} from './contract.ts';
import { addNeeds, diskNeeds, diskObstacles, planTransferAndDisk, type TransferAndDisk } from './disk.ts';
import { type Fit, fitOf, rank } from './fit-check.ts';
import { identifyByName } from './identify.ts';
import { stagingNameOf } from './names.ts';
import { LIBRARY_QUANT } from './nothing-to-install.ts';
import { addedReason, notAddedReason, resolveProjector, wishFor, withProjectorBytes } from './projector.ts';
import { type ResolvedRequest, resolveRequest } from './resolve-request.ts';
import { smallerPlan } from './smaller.ts';
import { tooLarge } from './too-large.ts';
import { unlistedWarnings } from './unlisted.ts';

/**
 * Plans an install. Throws for everything that would make it fail later and can be known now: unknown names,
 * files that are missing, cut short or of another architecture, a server that is too old. Too little memory or disk
 * become `obstacles`: they do not matter to an install that is in place already.
 */
export async function planInstall(request: InstallRequest, inputs: PlanningInputs): Promise<InstallPlan> {
  if (request.from?.startsWith('ollama:')) return planLibrary(request, inputs);
  const asked = await withProjectorBytes(request, inputs);
  const resolved = await resolveRequest(asked, inputs);
  const { family, quant } = resolved.identified;
  const { addBos: addsBos } = resolved.header.tokenizer;
  refuseRuntime(inputs, family.architecture, { ...resolved.identified.model, addsBos });
  const { model, ...template } = chooseTemplate(resolved, request);
  const jinja = template.isGiven ? await givenJinja(template.name, inputs) : undefined;
  const name = parseModelName(request.name ?? `${model.id}:${quant}`).text;
  const kept = request.load ?? (await keptLoad(resolved.identified, name, request, inputs));
  const load = { ...asked, settings: { ...kept?.settings, ...request.settings } };
  const origin = request.load === undefined ? 'as it was installed before' : 'as the lock file specifies';
  const record = await recordUnder(name, model, inputs);
  const fitting = (projectorBytes: number | undefined) =>
    fitOf(
      resolved.identified,
      resolved.header,
      { ...load, ...(projectorBytes !== undefined && { projectorBytes }) },
      { ...inputs, settingOrigins: originsOf(kept, request, origin) },
    );
  const eyes = await chooseProjector({ family, model }, request, record, fitting, inputs);
  const fit = fitting(eyes.projector?.bytes);
  const { candidate } = fit;
  const { settings, gpuLayers } = kept ?? fit;
  const { transfer, disk, projector } = await wayIn(resolved, eyes.projector, record, request, inputs);
  const spec = modelSpec({
    family,
    model,
    templateName: template.name,
    chatTemplate: await inputs.chatTemplate(template.name),
    ...(jinja !== undefined && { jinja }),
    ...(settings.contextLength !== undefined && { contextLength: settings.contextLength }),
    ...(request.sampling !== undefined && { profile: request.sampling }),
    ...(settings.batch !== undefined && { batch: settings.batch }),
    ...(gpuLayers !== undefined && { gpuLayers }),
  });
  const contextLength = settings.contextLength ?? model.defaultContext;
  const chosen = { quant, contextLength, freeQuant: resolved.freeQuant };
  const { digest } = resolved.file;
  const measured = digest === undefined ? undefined : await inputs.measuredQuality?.(digest);
  return {
    family,
    model,
    quant,
    name,
    stagingName: stagingNameOf(name),
    runtime: inputs.runtime,
    source: {
      kind: 'file',
      file: resolved.file,
      spec,
      header: resolved.header,
      ...(resolved.file.kind === 'remote' && resolved.elsewhere && { elsewhere: resolved.elsewhere }),
      ...(projector !== undefined && { projector }),
    },
    prompt: await expectedPrompt(template.name, resolved.header, inputs),
    reasons: [
      ...new Set([
        ...template.reasons,
        ...resolved.reasons,
        ...pinReasons(resolved),
        ...fit.reasons,
        ...(measured === undefined ? [] : [measured]),
        ...eyes.reasons,
      ]),
    ],
    ...(request.useCase !== undefined && { useCase: request.useCase }),
    automatic: request.quantOrigin?.automatic ?? resolved.freeQuant,
    ...policyOf(request, resolved),
    memory: candidate.memory,
    engine: inputs.facts.engine,
    wholeOnGpu: candidate.verdict === 'gpu',
    smaller: () =>
      eyes.dispensable
        ? planInstall({ ...request, vision: 'off' }, inputs)
        : smallerPlan(request, chosen, (next) => planInstall(next, inputs)),
    ...(transfer !== undefined && { transfer }),
    ...(request.way !== undefined && { way: request.way }),
    disk,
    bytesToMove: resolved.file.sizeBytes + (projector?.file.sizeBytes ?? 0),
    obstacles: [
      ...(candidate.verdict === 'no' ? [tooLarge({ family, model }, candidate, request, inputs)] : []),
      ...diskObstacles(disk),
    ],
    warnings: [
      ...inputs.facts.warnings,
      ...(resolved.file.warnings ?? []),
      ...resolved.header.warnings,
      ...unlistedWarnings(family),
    ],
  };
}

/** A branch or tag means other bytes tomorrow: the plan says what it means now, and the record keeps it. */
function pinReasons({ file }: ResolvedRequest): string[] {
  if (file.kind !== 'remote' || file.pinnedRef === file.ref) return [];
  return [`${file.ref} is ${file.pinnedRef} now; this is what the record keeps`];
}

/** The policy of a quant that this tool chose now, or when it was installed. */
function policyOf(
  { policy, quantOrigin }: InstallRequest,
  { freeQuant }: { readonly freeQuant: boolean },
): Pick<InstallPlan, 'policy'> {
  if (freeQuant) return { policy: policy ?? 'best' };
  return quantOrigin?.automatic && policy !== undefined ? { policy } : {};
}

/** Throws `bad-template` where the runtime would use the file's own template, and there is nothing that can take its place. */
async function givenJinja(name: string, inputs: PlanningInputs): Promise<string | undefined> {
  const text = await inputs.referenceTemplate(name);
  if (text !== undefined || !capabilitiesOf(inputs.runtime.kind).usesFileTemplate) return text;
  throw new ProvisionError(
    'bad-template',
    `The chat template ${name} has no Jinja form (templates/chat/${name}.jinja)`,
    {
      suggestions: ['Use a file that was converted with its chat template, or --runtime ollama.'],
    },
  );
}

/** What was decided of a projector: `dispensable` where nobody asked for it. */
interface ChosenProjector {
  readonly projector?: PlannedProjector;
  readonly reasons: readonly string[];
  readonly dispensable: boolean;
}

/** A projector that nobody asked for goes with a model only where that runs as it would without. */
async function chooseProjector(
  subject: { readonly family: Family; readonly model: Model },
  request: InstallRequest,
  record: InstallRecord | undefined,
  fitting: (projectorBytes: number | undefined) => Fit,
  inputs: PlanningInputs,
): Promise<ChosenProjector> {
  const { offer, why } = wishFor(subject, request, record, inputs);
  if (offer === undefined) return { reasons: why === undefined ? [] : [notAddedReason(why)], dispensable: false };
  if (!offer.fixed) {
    const [plain, full] = [fitting(undefined), fitting(offer.bytes)];
    if (!runsAlike(plain, full)) {
      const cost = `with the projector ${offer.id} it would not run as it does now; --vision on adds it`;
      return { reasons: [notAddedReason(cost)], dispensable: false };
    }
  }
  try {
    const projector = await resolveProjector(offer, subject, inputs);
    return { projector, reasons: [addedReason(projector)], dispensable: !offer.fixed };
  } catch (error) {
    const isAway = error instanceof ProvisionError && error.code === 'network' && inputs.offline === true;
    if (offer.fixed || !(error instanceof ProvisionError)) throw error;
    if (!isAway) throw withoutProjector(error);
    return {
      reasons: [notAddedReason(`the projector ${offer.id} is not on this machine (--offline)`)],
      dispensable: false,
    };
  }
}

/** Two hosts must not differ by a fault of the network, so the model is not installed without what it would have had. */
function withoutProjector(error: ProvisionError): ProvisionError {
  return new ProvisionError(error.code, error.message, {
    cause: error,
    suggestions: [...error.suggestions, 'Or install it without its projector: --vision off'],
  });
}

function runsAlike(one: Fit, other: Fit): boolean {
  return (
    one.candidate.verdict === other.candidate.verdict &&
    one.settings.contextLength === other.settings.contextLength &&
    one.settings.batch === other.settings.batch &&
    one.gpuLayers === other.gpuLayers
  );
}

/** How the bytes get in and the room for it. Of files that are installed already nothing is asked: they need not move. */
async function wayIn(
  { file }: ResolvedRequest,
  projector: PlannedProjector | undefined,
  record: InstallRecord | undefined,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<TransferAndDisk & { readonly projector?: PlannedProjector }> {
  const isRecorded = ({ digest }: SourceFile, source: { readonly digest?: Digest | undefined } | undefined) =>
    digest !== undefined && source?.digest === digest;
  const known = request.force ? undefined : record;
  const inPlace =
    isRecorded(file, known?.source) &&
    (projector === undefined || isRecorded(projector.file, known?.projector?.source));
  if (inPlace) return { disk: [], ...(projector !== undefined && { projector }) };
  const main = await planTransferAndDisk(file, request.way, inputs);
  if (projector === undefined) return main;
  const beside = await planTransferAndDisk(projector.file, request.way, inputs);
  const { transfer } = beside;
  return {
    ...main,
    disk: addNeeds(main.disk, beside.disk),
    projector: { ...projector, ...(transfer !== undefined && { transfer }) },
  };
}

/**
 * How this model was set up here before, unless the user now asks otherwise. While it is loaded it takes the memory that
 * the next look at the host misses: choosing anew would give the same command another Modelfile every time.
 */
async function keptLoad(
  { model, quant }: { model: Model; quant: string },
  name: string,
  request: InstallRequest,
  inputs: PlanningInputs,
): Promise<LoadSettings | undefined> {
  const record = request.force ? undefined : await recordUnder(name, model, inputs);
  if (record === undefined || record.quant !== quant) return undefined;
  const { num_ctx: contextLength, num_batch: batch, num_gpu: gpuLayers } = record.parameters;
  const settings = {
    ...(typeof contextLength === 'number' && { contextLength }),
    ...(typeof batch === 'number' && { batch }),
  };
  const { settings: asked } = request;
  const same = (['contextLength', 'batch'] as const).every(
    (setting) => asked[setting] === undefined || asked[setting] === settings[setting],
  );
  return same ? { settings, ...(typeof gpuLayers === 'number' && { gpuLayers }) } : undefined;
}

async function recordUnder(
  name: string,
  { id }: Pick<Model, 'id'>,
  inputs: PlanningInputs,
): Promise<InstallRecord | undefined> {
  return (await inputs.installed(id)).find((record) => sameModel(record.name, name));
}

/** Where settings come from that the user did not ask for. */
function originsOf(kept: LoadSettings | undefined, { settings }: InstallRequest, origin: string): SettingOrigins {
  const keys = (['contextLength', 'batch'] as const).filter(
    (key) => kept?.settings[key] !== undefined && settings[key] === undefined,
  );
  return Object.fromEntries(keys.map((key) => [key, origin]));
}

export function refuseRuntime(inputs: PlanningInputs, architecture: string, model?: ModelNeeds): void {
  const refusal = inputs.facts.refusal(architecture, model);
  if (refusal === undefined) return;
  throw new ProvisionError('runtime-too-old', refusal.reason, { suggestions: [refusal.remedy] });
}

/** Plans a pull of Ollama's pre-built model. It keeps its library name, which is what its users know it by. */
async function planLibrary(request: InstallRequest, inputs: PlanningInputs): Promise<InstallPlan> {
  if (request.way !== undefined) {
    throw new ProvisionError(
      'bad-usage',
      `--via ${request.way} cannot be used with ${request.from}: Ollama pulls it itself`,
      {
        suggestions: ['Omit --via, or pass a GGUF file with --from.'],
      },
    );
  }
  if (request.projector !== undefined) {
    throw new ProvisionError('bad-usage', `--projector cannot be used with ${request.from}: Ollama pulls its own`, {
      suggestions: ['Omit --projector, or pass a GGUF file with --from.'],
    });
  }
  const resolved = await inputs.resolve({
    ref: request.from ?? '',
    ...(request.digest !== undefined && { expected: { digest: request.digest } }),
  });
  if (resolved.kind !== 'library') throw new TypeError('an ollama: reference names a library model');
  const { family, model } = modelOf(resolved.name, inputs);
  refuseOtherThanLibrary({ model, ref: resolved.ref }, request, inputs);
  refusePull(model, family, inputs);
  const ranking = rank(model, family, request, inputs);
  const candidate = ranking.candidates.find(({ quant }) => quant === LIBRARY_QUANT) ?? ranking.candidates[0];
  if (candidate === undefined) throw new TypeError('a model has quants');
  const sizeBytes = candidate.memory.weightsBytes;
  // The server writes what it downloads once; only a create rewrites files.
  const disk = await diskNeeds(sizeBytes, { ...inputs, facts: { ...inputs.facts, diskFactor: 1 } });
  return {
    family,
    model,
    quant: LIBRARY_QUANT,
    name: parseModelName(request.name ?? resolved.name).text,
    stagingName: stagingNameOf(request.name ?? resolved.name),
    runtime: inputs.runtime,
    source: { kind: 'library', ref: resolved.ref, libraryName: resolved.name, profile: 'library' },
    prompt: await expectedPrompt(chatTemplateName(family, model), undefined, inputs),
    reasons: [`Ollama's own build was requested, ${resolved.name}`, ...candidate.reasons],
    ...(request.useCase !== undefined && { useCase: request.useCase }),
    automatic: false,
    memory: candidate.memory,
    engine: inputs.facts.engine,
    wholeOnGpu: candidate.verdict === 'gpu',
    disk,
    bytesToMove: sizeBytes,
    obstacles: [
      ...(candidate.verdict === 'no' ? [tooLarge({ family, model }, candidate, request, inputs)] : []),
      ...diskObstacles(disk),
    ],
    warnings: inputs.facts.warnings,
  };
}

/** A model or quant that the user names must be what Ollama pulls. Throws `bad-usage`. */
function refuseOtherThanLibrary(
  { model, ref }: { readonly model: Model; readonly ref: string },
  request: InstallRequest,
  { catalog }: PlanningInputs,
): void {
  const named = identifyByName(catalog, request.model ?? model.id, request.quant);
  if (named.model.id !== model.id) {
    throw new ProvisionError('bad-usage', `${ref} is ${model.id}, not ${named.model.id}`, {
      suggestions: ['Omit the model, or omit --from.'],
    });
  }
  if (named.quant === undefined || named.quant === LIBRARY_QUANT) return;
  throw new ProvisionError('bad-usage', `${ref} has the quant ${LIBRARY_QUANT}, not ${named.quant}`, {
    suggestions: [
      `Install it as ${model.id}:${LIBRARY_QUANT}, or omit --from: the catalog may have the ${named.quant} file.`,
    ],
  });
}

function modelOf(libraryName: string, { catalog }: PlanningInputs): { family: Family; model: Model } {
  const known: string[] = [];
  for (const { family } of catalog.families) {
    for (const model of family.models) {
      if (model.library?.name === libraryName) return { family, model };
      if (model.library) known.push(model.library.name);
    }
  }
  throw new ProvisionError('model-not-found', `the catalog has no library model named ${libraryName}`, {
    suggestions: didYouMean(libraryName, known),
  });
}

function refusePull(model: Model, family: Family, { facts }: PlanningInputs): void {
  const refusal = facts.refusal(family.architecture, model) ?? facts.pullRefusal(model.library?.minimumVersion);
  if (refusal === undefined) return;
  throw new ProvisionError('runtime-too-old', refusal.reason, { suggestions: [refusal.remedy] });
}

/** The template that a model was trained with: its file's own, else the official one of the template that it gets. */
export async function expectedPrompt(
  templateName: string,
  header: Pick<GgufFacts, 'chatTemplate' | 'tokenizer'> | undefined,
  inputs: Pick<PlanningInputs, 'referenceTemplate'>,
): Promise<KnownPrompt> {
  const addsBos = header?.tokenizer.addBos;
  const own = header?.chatTemplate;
  const official = own === undefined ? await inputs.referenceTemplate(templateName) : undefined;
  return {
    ...(own !== undefined && { reference: { source: own, from: 'file' } }),
    ...(official !== undefined && { reference: { source: official, from: 'catalog' } }),
    ...(addsBos !== undefined && { addsBos }),
  };
}
