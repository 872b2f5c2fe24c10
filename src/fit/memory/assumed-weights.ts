import type { Hyperparameters, Quant, WeightBytes } from '../../catalog/schema.ts';
import { GIB } from '../../core/units.ts';

export interface KnownWeights {
  readonly weights: WeightBytes;
  readonly basis: string;
}

/**
 * The weights of a quant by place. Where the catalog has no tensor list, its size is spread over the blocks as if all of
 * it had to be on the GPU, which errs on the safe side. Undefined when not even a size is known.
 */
export function weightsOf(quant: Quant, hyperparameters: Hyperparameters): KnownWeights | undefined {
  if (quant.weights !== undefined) return { weights: quant.weights, basis: 'tensor list of the GGUF header' };
  const exact = quant.tensorBytes?.value ?? quant.fileBytes?.value;
  if (exact !== undefined)
    return { weights: spread(exact, hyperparameters), basis: 'size of the file, no tensor list' };
  if (quant.card === undefined) return undefined;
  return { weights: spread(quant.card.sizeGiB * GIB, hyperparameters), basis: 'card size, no tensor list' };
}

function spread(bytes: number, { blockCount }: Hyperparameters): WeightBytes {
  const each = Math.ceil(bytes / blockCount);
  return {
    blocks: Array.from({ length: blockCount }, () => each),
    tokenEmbedding: 0,
    perLayerEmbedding: 0,
    perLayerProjection: 0,
    output: 0,
    other: 0,
    tiedEmbeddings: false,
  };
}
