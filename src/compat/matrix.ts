import data from './matrix.json' with { type: 'json' };
import type { Matrix } from './schema.ts';

/** The built-in matrix. A test validates it against the schema, so that `check` needs no schema library. */
export function matrix(): Matrix {
  return data as Matrix;
}
