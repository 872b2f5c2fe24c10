import { matrix } from './matrix.ts';
import type { Matrix } from './schema.ts';
import { compareNumbers, numbersOf } from './version.ts';

/** Ollama releases that can load an architecture, both ends included; undefined for one that the matrix does not know. */
export function loadRange(
  architecture: string,
  rows: Matrix = matrix(),
): { readonly min: string; readonly max?: string } | undefined {
  const row = rows.architectures.find(({ id }) => id === architecture);
  if (row === undefined) return undefined;
  const { oldestSupported } = rows;
  return { min: compareNumbers(numbersOf(row.since), numbersOf(oldestSupported)) > 0 ? row.since : oldestSupported };
}
