/** What to do where a quant does not fit: every suggestion was found by ranking with it. */
import { ProvisionError } from '../../core/errors.ts';
import type { Candidate } from '../../fit/schema.ts';
import { capabilitiesOf } from '../../runtimes/registry.ts';
import type { InstallRequest, PlanningInputs } from './contract.ts';
import { rank } from './fit-check.ts';
import type { Identified } from './identify.ts';
import { bestOtherModel, otherModelText } from './other-model.ts';

/** `memory-short`, with what fits instead: another quant, a smaller setting, or the best model of the catalog that does. */
export function tooLarge(
  { family, model }: Pick<Identified, 'family' | 'model'>,
  candidate: Candidate,
  request: InstallRequest,
  inputs: PlanningInputs,
): ProvisionError {
  const { choice, changes } = rank(model, family, request, inputs);
  const settings = changes.flatMap(({ flag, sentence }) => (flag === undefined ? [] : [`Use ${flag}. ${sentence}`]));
  const instead =
    choice === undefined || choice.quant === candidate.quant
      ? [...settings.slice(0, 1), ...otherModel(model, request, inputs)]
      : [`Choose ${model.id}:${choice.quant}, which fits.`];
  return new ProvisionError(
    'memory-short',
    `${model.id}:${candidate.quant} does not fit: ${candidate.blockedBy.join('; ')}`,
    {
      suggestions: [
        ...instead,
        `List what fits, and what would change it: gemma-provision recommend ${model.id}`,
        'Install it anyway with --force.',
      ],
    },
  );
}

function otherModel(model: Identified['model'], request: InstallRequest, inputs: PlanningInputs): string[] {
  const other = bestOtherModel(model, inputs.catalog, request, inputs);
  if (other === undefined) return [];
  const { kind, endpoint } = inputs.runtime;
  const host = capabilitiesOf(kind).isServer && !endpoint.endsWith('//127.0.0.1:11434') ? ` --host ${endpoint}` : '';
  const { contextLength } = request.settings;
  const context = contextLength === undefined ? '' : ` --ctx ${contextLength}`;
  const command = `gemma-provision install ${other.model.id}:${other.best.quant}${context}${host}`;
  return [`Install another model, ${otherModelText(other)}: ${command}`];
}
