/** What was measured of a file on this machine, as a reason at its install. */
import type { Digest } from '../../core/digest.ts';
import type { QualityMeasurement } from '../../registry/measurements.ts';

/** References that are the model as it was published, or as near as nothing. */
const WHOLE: readonly string[] = ['f32', 'bf16', 'f16'];

/**
 * The most telling measurement of a file, in words: one against a whole model says more than one against another quant,
 * then more positions say more than fewer, then the last counts. Undefined for a file that was not measured.
 */
export function measuredReason(digest: Digest, measurements: readonly QualityMeasurement[]): string | undefined {
  const found = measurements.filter((each) => each.digest === digest).reduce(better, undefined);
  if (found === undefined) return undefined;
  const { divergence, agreement, positions, reference, referenceQuant, text, textName, at } = found;
  const apart = `${divergence.mean.toFixed(4)} ± ${divergence.error.toFixed(4)} nats`;
  const same = `${(agreement.mean * 100).toFixed(1)} %`;
  const from = referenceQuant ?? shortened(reference);
  const where = textName ?? `the text ${shortened(text)}`;
  return `this file was measured on ${at.slice(0, 10)}: KL divergence ${apart} from ${from}, the same likeliest token at ${same} of ${positions} positions of ${where}`;
}

function better(best: QualityMeasurement | undefined, each: QualityMeasurement): QualityMeasurement {
  if (best === undefined || isWhole(each) !== isWhole(best)) return best === undefined || isWhole(each) ? each : best;
  return each.positions >= best.positions ? each : best;
}

function isWhole({ referenceQuant }: QualityMeasurement): boolean {
  return referenceQuant !== undefined && WHOLE.includes(referenceQuant);
}

function shortened(digest: Digest): string {
  return `${digest.slice(0, 19)}…`;
}
