import type { Family } from '../../catalog/schema.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import type { KnownPrompt } from '../../smoke/prompt/request.ts';
import type { PlanningInputs } from './request.ts';

/** The template that a model was trained with: its file's own, else the family's official one. */
export async function expectedPrompt(
  family: Family,
  header: Pick<GgufFacts, 'chatTemplate' | 'tokenizer'> | undefined,
  inputs: Pick<PlanningInputs, 'referenceTemplate'>,
): Promise<KnownPrompt> {
  const addsBos = header?.tokenizer.addBos;
  const own = header?.chatTemplate;
  const official = own === undefined ? await inputs.referenceTemplate(family.chatTemplate) : undefined;
  return {
    ...(own !== undefined && { reference: { source: own, from: 'file' } }),
    ...(official !== undefined && { reference: { source: official, from: 'catalog' } }),
    ...(addsBos !== undefined && { addsBos }),
  };
}
