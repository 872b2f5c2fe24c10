/** Decides everything about an install before anything changes: model, quant, source, name, room, and why. */
import { ProvisionError } from '../core/errors.ts';
import { modelSpec } from '../modelfile/spec.ts';
import { parseModelName } from '../runtimes/names.ts';
import { diskNeeds, diskObstacles } from './disk.ts';
import { expectedPrompt } from './expected-prompt.ts';
import { fitOf, tooLarge } from './fit-check.ts';
import { type InstallPlan, stagingNameOf } from './plan.ts';
import { planLibrary } from './plan-library.ts';
import type { InstallRequest, PlanningInputs } from './request.ts';
import { runSettings } from './run-settings.ts';
import { settle } from './settle.ts';

/**
 * Plans an install. Throws for everything that would make it fail later and can be known now: unknown names,
 * files that are missing, cut short or of another architecture, a server that is too old. Too little memory or disk
 * become `obstacles`: they do not matter to an install that is in place already.
 */
export async function planInstall(request: InstallRequest, inputs: PlanningInputs): Promise<InstallPlan> {
  if (request.from?.startsWith('ollama:')) return planLibrary(request, inputs);
  const settled = await settle(request, inputs);
  const { family, model, quant } = settled.identified;
  refuseRuntime(inputs, family.architecture);
  const candidate = fitOf(settled.identified, settled.header, request, inputs);
  const disk = diskNeeds(settled.file.sizeBytes, inputs);
  const name = parseModelName(request.name ?? `${model.id}:${quant}`).text;
  const settings = runSettings(model, request.settings);
  const spec = modelSpec({
    family,
    model,
    chatTemplate: await inputs.chatTemplate(family.chatTemplate),
    contextLength: settings.contextLength,
    ...(request.sampling !== undefined && { profile: request.sampling }),
    ...(request.settings.batch !== undefined && { batch: request.settings.batch }),
  });
  return {
    family,
    model,
    quant,
    name,
    stagingName: stagingNameOf(name),
    runtime: inputs.runtime,
    source: { kind: 'file', file: settled.file, spec },
    prompt: await expectedPrompt(family, settled.header, inputs),
    reasons: [...new Set([...settled.reasons, ...candidate.reasons])],
    ...(request.useCase !== undefined && { useCase: request.useCase }),
    memory: candidate.memory,
    disk,
    bytesToMove: settled.file.sizeBytes,
    obstacles: [...(candidate.verdict === 'no' ? [tooLarge(model, candidate)] : []), ...diskObstacles(disk)],
    warnings: inputs.facts.warnings,
  };
}

export function refuseRuntime(inputs: PlanningInputs, architecture: string): void {
  const refusal = inputs.facts.refusal(architecture);
  if (refusal === undefined) return;
  throw new ProvisionError('runtime-too-old', refusal.reason, { suggestions: [refusal.remedy] });
}
