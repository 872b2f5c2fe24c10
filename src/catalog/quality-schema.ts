/**
 * Published measurements of what quantisation costs. A series is one measurement by one method: values of different series
 * are never compared with each other, since text, context, reference and software differ.
 */
import * as z from 'zod';
import { Text, WebAddress } from './ids.ts';
import { QuantId } from './quant-schema.ts';

/**
 * What was measured. Lower is better for `kl-divergence` (nats per token), `perplexity` (no unit) and
 * `negative-log-likelihood`; higher is better for `top-1-agreement` (percent of positions with the same best token).
 */
export const QualityMetric = z.enum(['kl-divergence', 'perplexity', 'top-1-agreement', 'negative-log-likelihood']);
export type QualityMetric = z.infer<typeof QualityMetric>;

export const QualityValue = z.strictObject({
  /** The catalog's quant of that type; absent for a type that the catalog does not have. */
  quant: QuantId.optional(),
  /** Which file was measured: `Q4_0 of bartowski`. Files of one type differ between publishers. */
  file: Text,
  value: z.number().nonnegative(),
  /** Standard error, where it was published. */
  error: z.number().positive().optional(),
});
export type QualityValue = z.infer<typeof QualityValue>;

export const QualitySeries = z.strictObject({
  metric: QualityMetric,
  /** How it was measured: software and settings, as far as the publisher states them. */
  method: Text,
  /** The text that was measured on. */
  text: Text,
  /** What the files were compared with; absent for a measurement of each file alone. */
  against: Text.optional(),
  /** Year, month or day of the publication: `2025`, `2025-04`. */
  date: z.string().regex(/^20\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$/, 'must be a date such as 2025-04'),
  source: Text,
  url: WebAddress.optional(),
  /** Why the values deserve little weight, as a whole sentence. */
  caution: Text.optional(),
  values: z.array(QualityValue).min(1),
});
export type QualitySeries = z.infer<typeof QualitySeries>;

/** How a value of each metric is printed, and which direction is better. */
export const METRIC_TEXT = {
  'kl-divergence': { title: 'KL divergence', unit: 'nats', better: 'lower is better' },
  perplexity: { title: 'Perplexity', unit: '', better: 'lower is better' },
  'top-1-agreement': { title: 'Top-1 agreement', unit: '%', better: 'higher is better' },
  'negative-log-likelihood': { title: 'Negative log-likelihood', unit: 'as published', better: 'lower is better' },
} as const satisfies Record<QualityMetric, { readonly title: string; readonly unit: string; readonly better: string }>;

/** `16.80 ± 0.17`, `0.0237 nats`, `96 %`: with the digits that were published. */
export function qualityValueText(
  metric: QualityMetric,
  { value, error }: Pick<QualityValue, 'value' | 'error'>,
): string {
  const { unit } = METRIC_TEXT[metric];
  return `${value}${error === undefined ? '' : ` ± ${error}`}${unit === 'nats' || unit === '%' ? ` ${unit}` : ''}`;
}
