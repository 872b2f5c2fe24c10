import type { Speed } from '../schema.ts';
import { sum } from '../weights.ts';
import { type Range, range } from './rates.ts';
import { type Station, speedOf } from './station.ts';

/**
 * Bytes per second at which weights that are not on the GPU are sent there while a prompt is read, in batches. Llama 13B
 * Q6_K on an RX 6800 XT: 248 tok/s with no layer there and 684 with all (llama.cpp#2059), so 10.7 GB took 1.3 s.
 */
const SENT = range(3e9, 8e9, 15e9);

const SENT_WORDS = 'the same for the layers on the CPU, sent there for each batch';

/** Smaller batches are not sent (`op_offload_min_batch_size` in ggml-cuda). */
const LEAST_SENT = 32;

/**
 * Speed of reading a prompt in batches of `batch` tokens: the operations of all of them, and once for a batch the weights
 * and the nodes. Undefined where it is not known how fast a device computes.
 */
export function promptSpeed(stations: readonly Station[], batch: number): Speed | undefined {
  const gpu = batch >= LEAST_SENT ? stations.find(({ kind }) => kind === 'gpu') : undefined;
  const parts = stations.map((station) => {
    const sent = station.kind === 'cpu' ? gpu : undefined;
    const rates = sent?.rates ?? station.rates;
    return {
      known: rates.operations !== undefined,
      basis: sent === undefined ? station.rates.promptBasis : SENT_WORDS,
      seconds: (end: keyof Range) =>
        sent === undefined ? promptSeconds(station, batch, end) : besideSeconds(station, sent, batch, end),
    };
  });
  if (parts.length === 0 || !parts.every(({ known }) => known)) return undefined;
  const operations = 2 * sum(stations.map(({ work }) => work.promptWeights));
  const basis = parts.map((part) => part.basis).join(' + ');
  const words = `${(operations / 1e9).toPrecision(3)} GFLOP a token at ${basis}, batches of ${batch}`;
  return speedOf((end) => sum(parts.map(({ seconds }) => seconds(end))), words);
}

function promptSeconds({ work, rates }: Station, batch: number, end: keyof Range): number {
  const operations = rates.operations?.[end] ?? Number.NaN;
  const once = work.weightBytes / rates.bytesPerSecond[end] + work.nodes * rates.nodeSeconds[end];
  return (2 * work.promptWeights) / operations + once / batch;
}

/** Layers on the CPU beside a GPU: they are sent there for every batch; at worst the CPU computes them. */
function besideSeconds(cpu: Station, gpu: Station, batch: number, end: keyof Range): number {
  const sent = promptSeconds({ ...cpu, rates: { ...gpu.rates, bytesPerSecond: SENT } }, batch, end);
  if (end !== 'low' || cpu.rates.operations === undefined) return sent;
  return Math.max(sent, promptSeconds(cpu, batch, end));
}
