import type { Family, Model } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import { parseModelName } from '../../runtimes/names.ts';
import { diskNeeds, diskObstacles } from './disk.ts';
import { expectedPrompt } from './expected-prompt.ts';
import { rank, tooLarge } from './fit-check.ts';
import { type InstallPlan, stagingNameOf } from './plan.ts';
import type { InstallRequest, PlanningInputs } from './request.ts';

/** Quant of Ollama's own builds of Gemma when the tag names none. */
const LIBRARY_QUANT = 'q4_k_m';

/** Plans a pull of Ollama's pre-built model. It keeps its library name, which is what its users know it by. */
export async function planLibrary(request: InstallRequest, inputs: PlanningInputs): Promise<InstallPlan> {
  const resolved = await inputs.resolve({
    ref: request.from ?? '',
    ...(request.digest !== undefined && { expected: { digest: request.digest } }),
  });
  if (resolved.kind !== 'library') throw new TypeError('an ollama: reference names a library model');
  const { family, model } = modelOf(resolved.name, inputs);
  refusePull(model, family, inputs);
  const ranking = rank(model, family, request, inputs);
  const candidate = ranking.candidates.find(({ quant }) => quant === LIBRARY_QUANT) ?? ranking.candidates[0];
  if (candidate === undefined) throw new TypeError('a model has quants');
  const sizeBytes = candidate.memory.weightsBytes;
  // The server writes what it downloads once; only a create rewrites files.
  const disk = diskNeeds(sizeBytes, { ...inputs, facts: { ...inputs.facts, diskFactor: 1 } });
  return {
    family,
    model,
    quant: LIBRARY_QUANT,
    name: parseModelName(request.name ?? resolved.name).text,
    stagingName: stagingNameOf(request.name ?? resolved.name),
    runtime: inputs.runtime,
    source: { kind: 'library', ref: resolved.ref, libraryName: resolved.name, profile: 'library' },
    prompt: await expectedPrompt(family, undefined, inputs),
    reasons: [`Ollama's own build was requested, ${resolved.name}`, ...candidate.reasons],
    ...(request.useCase !== undefined && { useCase: request.useCase }),
    memory: candidate.memory,
    engine: inputs.facts.engine,
    wholeOnGpu: candidate.verdict === 'gpu',
    disk,
    bytesToMove: sizeBytes,
    obstacles: [...(candidate.verdict === 'no' ? [tooLarge(model, candidate)] : []), ...diskObstacles(disk)],
    warnings: inputs.facts.warnings,
  };
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
  const refusal = facts.refusal(family.architecture) ?? facts.pullRefusal(model.library?.minimumVersion);
  if (refusal === undefined) return;
  throw new ProvisionError('runtime-too-old', refusal.reason, { suggestions: [refusal.remedy] });
}
