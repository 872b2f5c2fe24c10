import type { LoadedFamily } from '../../catalog/load.ts';
import type { Family, Model, Projector, Quant } from '../../catalog/schema.ts';
import { formatBytes } from '../../core/units.ts';
import type { FamilySummary } from '../../provision/plan/catalog-files.ts';
import { measurementsText, STARS_TEXT } from './quality.ts';
import { pairs, table } from './table.ts';

/** `catalog list`. */
export function familiesText(families: readonly FamilySummary[]): string {
  const rows = families.flatMap((family) =>
    family.models.map((model) => [
      model.id,
      family.architecture,
      `${(model.parameters / 1e9).toFixed(2)} G`,
      String(model.contextLength),
      String(model.quants.length),
      model.bundled.length > 0
        ? `ships: ${model.bundled.join(', ')}`
        : (model.library && `ollama:${model.library}`) || '-',
    ]),
  );
  return table(['MODEL', 'ARCHITECTURE', 'PARAMETERS', 'CONTEXT', 'QUANTS', 'AT HAND'], rows, [2, 3, 4]);
}

/** `catalog show`, of a model or of one of its quants (`model.quants` then has that one alone). */
export function modelText(family: Family, model: Model): string {
  const shape = model.hyperparameters;
  const lines: [string, string][] = [
    ['Model', `${model.title} (${model.id})`],
    ['Base', model.baseModel],
    ['Architecture', `${family.architecture}, ${shape.blockCount} blocks of width ${shape.embeddingLength}`],
    ['Context', `${shape.contextLength} tokens (default here: ${model.defaultContext})`],
    [
      'Input',
      model.modalities
        .filter(({ direction }) => direction === 'input')
        .map(({ kind }) => kind)
        .join(', '),
    ],
    ['Languages', family.languages.spoken],
    ['Licence', `${family.licence.title}, ${family.licence.url}`],
    ['Stop', family.tokens.stop.join(' ')],
    ...Object.entries(family.profiles).map(([name, profile]): [string, string] => [
      `Sampling ${name}`,
      Object.entries(profile)
        .filter(([key]) => key !== 'source')
        .map(([key, value]) => `${key} ${value}`)
        .join(', '),
    ]),
  ];
  const parts = [pairs(lines), '', quantTable(model.quants)];
  parts.push('', STARS_TEXT);
  parts.push('', ...sourcesText('Sources of the quants, best first', model.quants));
  if (model.projectors !== undefined) {
    parts.push('', ...sourcesText('Projectors (pictures and sound) and their sources', model.projectors));
  }
  if (model.measurements !== undefined) parts.push('', measurementsText(model.measurements));
  if (model.corrections.length > 0) {
    parts.push('', 'Differences between the model card and the real model');
    for (const { field, says, actual } of model.corrections) parts.push(`  ${field}: the card says ${says}; ${actual}`);
  }
  return parts.join('\n');
}

/** Where the bytes of each file can be had, and what they must be. */
function sourcesText(title: string, files: readonly (Quant | Projector)[]): string[] {
  const blocks = files.flatMap((each) => {
    const { id, file, fileBytes, digest, sources = [], note } = each;
    const bundled = 'bundled' in each ? each.bundled : undefined;
    const serves = 'serves' in each ? ` for ${each.serves.join(' and ')}` : '';
    const own = identityText(digest, fileBytes?.value);
    return [
      `  ${id}${serves}: ${file}${own}`,
      ...(bundled === undefined ? [] : [`    ships with this tool: ${bundled}`]),
      ...sources.map((source) => `    ${source.ref}${identityText(source.digest, source.sizeBytes)}`),
      ...(bundled === undefined && sources.length === 0 ? ['    no source is known: pass a file with --from'] : []),
      ...(note === undefined ? [] : [`    Note: ${note}`]),
    ];
  });
  return [title, ...blocks];
}

function identityText(digest: string | undefined, bytes: number | undefined): string {
  const known = [...(bytes === undefined ? [] : [`${bytes} bytes`]), ...(digest === undefined ? [] : [digest])];
  return known.length === 0 ? '' : ` (${known.join(', ')})`;
}

function quantTable(quants: readonly Quant[]): string {
  const rows = quants.map(({ id, file, card, tensorBytes, fileBytes, quality }) => {
    const exact = fileBytes?.value ?? tensorBytes?.value;
    return [
      id,
      card === undefined ? '-' : `${card.sizeGiB.toFixed(1)} GiB`,
      exact === undefined ? '-' : formatBytes(exact),
      '★'.repeat(quality),
      card?.use ?? '-',
      file,
    ];
  });
  return table(['QUANT', 'CARD', 'EXACT', 'QUALITY', 'USE', 'FILE'], rows, [1, 2]);
}

/** The part of a family that `catalog list` tells. */
export function summaryOf({ family, origins }: LoadedFamily): FamilySummary {
  return {
    id: family.id,
    title: family.title,
    architecture: family.architecture,
    licence: family.licence.id,
    origins: origins.map(({ path }) => path),
    models: family.models.map((model) => ({
      id: model.id,
      title: model.title,
      parameters: model.parameters.total,
      contextLength: model.hyperparameters.contextLength,
      quants: model.quants.map(({ id }) => id),
      bundled: model.quants.filter(({ bundled }) => bundled !== undefined).map(({ id }) => id),
      ...(model.library && { library: model.library.name }),
    })),
  };
}
