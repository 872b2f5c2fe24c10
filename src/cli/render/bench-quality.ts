import { formatBytes } from '../../core/units.ts';
import type { QualityData } from '../../provision/quality/measure.ts';
import { table } from './table.ts';

/** One row a quant, best first. */
export function qualityText({ model, reference, text, positions, engine, quants }: QualityData): string {
  const rows = quants.map(({ quant, sizeBytes, divergence, agreement }) => [
    quant,
    formatBytes(sizeBytes),
    `${divergence.mean.toFixed(4)} ± ${divergence.error.toFixed(4)}`,
    `${(agreement.mean * 100).toFixed(1)} % ± ${(agreement.error * 100).toFixed(1)}`,
  ]);
  return [
    `${model}, compared with ${reference.quant} (${formatBytes(reference.sizeBytes)}) at ${positions} positions of ${text.name}; engine ${engine}`,
    table(['Quant', 'Size', 'KL divergence (nats)', 'Same likeliest token'], rows),
  ].join('\n');
}
