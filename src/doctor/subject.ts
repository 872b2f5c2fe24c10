import { join } from 'node:path';
import type { Family, Model, Quant } from '../catalog/schema.ts';
import { GIB } from '../core/units.ts';

export interface Size {
  readonly quant: string;
  readonly bytes: number;
  /** A file that ships with this tool; absolute. */
  readonly path?: string;
}

/** The model whose install is checked in advance. */
export interface Subject {
  /** `gemma-3n-e4b` or `gemma-3n-e4b:q5_k_m`. */
  readonly label: string;
  /** True when the user named it; false for the default model of an install. */
  readonly named: boolean;
  readonly architecture: string;
  /** The smallest that could be chosen; the same as `typical` when the quant was named. */
  readonly smallest: Size;
  /** What is likely to be chosen. */
  readonly typical: Size;
}

/** A middle quant represents what an install would choose: the check needs the order of magnitude, not the choice. */
const TYPICAL = 'q4_k_m';

/** Undefined when the catalog knows no size for any of the model's quants. */
export function subjectOf(
  { family, model, quant }: { readonly family: Family; readonly model: Model; readonly quant?: Quant | undefined },
  { named, root }: { readonly named: boolean; readonly root: string },
): Subject | undefined {
  const sizes = (quant === undefined ? model.quants : [quant])
    .flatMap((each) => sizeOf(each, root))
    .toSorted((a, b) => a.bytes - b.bytes);
  const [smallest] = sizes;
  if (smallest === undefined) return undefined;
  return {
    label: quant === undefined ? model.id : `${model.id}:${quant.id}`,
    named,
    architecture: family.architecture,
    smallest,
    typical: sizes.find((size) => size.quant === TYPICAL) ?? smallest,
  };
}

function sizeOf(quant: Quant, root: string): Size[] {
  const cardBytes = quant.card === undefined ? undefined : Math.ceil(quant.card.sizeGiB * GIB);
  const bytes = quant.fileBytes?.value ?? quant.tensorBytes?.value ?? cardBytes;
  return bytes === undefined
    ? []
    : [{ quant: quant.id, bytes, ...(quant.bundled !== undefined && { path: join(root, quant.bundled) }) }];
}
