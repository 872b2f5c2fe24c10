import type { Quant } from '../../catalog/schema.ts';
import { type FitTable, KvType } from '../schema.ts';
import { candidateOf } from './candidate.ts';
import type { RecommendRequest } from './request.ts';

/** The shortest context that the table shows. */
const FIRST_CONTEXT = 2048;

/**
 * Where every quant runs, and what must be free for that, at contexts from 2,048 on by doubling up to the model's own
 * (and at the one that was asked for), for every type of the KV cache. Quants in the given order.
 */
export function fitTable(request: RecommendRequest, order: readonly string[]): FitTable {
  const contexts = contextsOf(request);
  const { flashAttention } = request.settings;
  const kvTypes: readonly KvType[] = flashAttention ? KvType.options : ['f16'];
  const rows = order.flatMap((id) => {
    const quant = request.model.quants.find((one) => one.id === id);
    return quant === undefined ? [] : [rowOf(quant, request, contexts, kvTypes)];
  });
  const notes = flashAttention ? [] : ['Without flash attention the KV cache is f16: a quantised one needs it.'];
  return { contexts, kvTypes: [...kvTypes], rows, notes };
}

function rowOf(
  quant: Quant,
  request: RecommendRequest,
  contexts: readonly number[],
  kvTypes: readonly KvType[],
): FitTable['rows'][number] {
  const cells = kvTypes.flatMap((kvType) =>
    contexts.map((contextLength) => {
      const settings = { ...request.settings, contextLength, kvType };
      const { verdict, needsFree } = candidateOf(quant, { ...request, settings }, {});
      return { contextLength, kvType, verdict, needsFree };
    }),
  );
  return { quant: quant.id, cells };
}

function contextsOf({ model, settings }: RecommendRequest): number[] {
  const longest = model.hyperparameters.contextLength;
  const contexts = new Set([Math.min(settings.contextLength, longest), longest]);
  for (let tokens = FIRST_CONTEXT; tokens < longest; tokens *= 2) contexts.add(tokens);
  return [...contexts].sort((a, b) => a - b);
}
