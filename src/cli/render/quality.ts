import { METRIC_TEXT, type QualitySeries, qualityValueText } from '../../catalog/quality-schema.ts';

export const STARS_TEXT =
  'Stars are those of the model card, 1 (worst) to 5, or of the catalog where the card has none; no measurement.';

/** Every published series with all its values and where they come from, for `catalog show`. */
export function measurementsText(measurements: readonly QualitySeries[]): string {
  const blocks = measurements.map((series) => {
    const { metric, method, text, against, date, source, url, caution, values } = series;
    const width = Math.max(...values.map(({ file }) => file.length));
    const { title, better } = METRIC_TEXT[metric];
    return [
      `  ${title}, ${better}`,
      `    Method: ${method}. Text: ${text}.${against === undefined ? '' : ` Against: ${against}.`}`,
      `    Source: ${source}, ${date}${url === undefined ? '' : `, ${url}`}`,
      ...(caution === undefined ? [] : [`    Note: ${caution}`]),
      ...values.map((value) => `      ${value.file.padEnd(width)}  ${qualityValueText(metric, value)}`),
    ].join('\n');
  });
  return ['Published measurements (each by its own method: compare within one block only)', ...blocks].join('\n');
}

/** One line for each published series that has quants of the catalog; the whole of it is in `catalog show`. */
export function publishedLines(measurements: readonly QualitySeries[] = []): string[] {
  return measurements.flatMap(({ metric, date, source, against, caution, values }) => {
    if (!values.some(({ quant }) => quant !== undefined)) return [];
    const { title, better } = METRIC_TEXT[metric];
    const figures = values.map((value) => `${value.file} ${qualityValueText(metric, value)}`).join(', ');
    const reference = against === undefined ? '' : ` against ${against}`;
    return [
      `${title}${reference} (${better}): ${figures}. ${source}, ${date}.${caution === undefined ? '' : ` ${caution}`}`,
    ];
  });
}
