/** What must hold between published measurements and the quants of their model; a schema sees every field alone. */
import type { Issue } from '../core/parse.ts';
import { nearest } from '../core/suggest.ts';
import { issueAt, itemsAt, numberAt, type Path, repeats, textAt } from './json-access.ts';

export function qualityIssues(model: unknown, path: Path): Issue[] {
  const quants = itemsAt(model, 'quants', path).flatMap(({ value }) => textAt(value, 'id') ?? []);
  return itemsAt(model, 'measurements', path).flatMap(({ value: series, path: at }) => {
    const isShare = textAt(series, 'metric') === 'top-1-agreement';
    const values = itemsAt(series, 'values', at);
    return [
      ...repeats(values, 'file', 'the file'),
      ...values.flatMap(({ value, path: place }) => [
        ...quantIssues(textAt(value, 'quant'), quants, [...place, 'quant']),
        ...(isShare && (numberAt(value, 'value') ?? 0) > 100
          ? [issueAt([...place, 'value'], 'must be a percentage, at most 100')]
          : []),
      ]),
    ];
  });
}

function quantIssues(quant: string | undefined, quants: readonly string[], path: Path): Issue[] {
  if (quant === undefined || quants.includes(quant)) return [];
  const near = nearest(quant, quants);
  return [
    issueAt(
      path,
      `the model has no quant "${quant}"${near === undefined ? '' : `, did you mean ${near}?`} Leave it out for a file that is not a quant of the catalog.`,
    ),
  ];
}
