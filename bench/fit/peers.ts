/** Other tools’ estimates for the same files and settings, all layers on one GPU. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { estimateOf, type TruthCase, totalByDevice, truthCases } from './cases.ts';
import { type Spread, spreadOf } from './errors.ts';
import { SCRATCH } from './measure.ts';
import { writeSparse } from './sparse.ts';

const QUANT = 'q4_k_m';
const PARSER = 'gguf-parser';

export interface PeerTable {
  readonly name: string;
  /** What it says it estimates, which the truth was chosen to match. */
  readonly against: string;
  readonly rows: readonly PeerRow[];
}

export interface PeerRow {
  readonly model: string;
  readonly cases: number;
  readonly theirs: Spread;
  readonly ours: Spread;
}

/** VRAM in bytes that a tool expects for a case of one file. */
type Ask = (one: TruthCase) => number;

/** A tool that estimates. */
export interface Peer {
  readonly name: string;
  readonly engine: TruthCase['engine'];
  readonly against: string;
  open(file: string): Promise<Ask>;
}

export async function compareWith(peer: Peer): Promise<PeerTable> {
  const cases = [...truthCases()].filter(
    ({ place, quant, engine, set }) =>
      place === 'gpu' && quant === QUANT && engine === peer.engine && set !== 'other model',
  );
  const rows: PeerRow[] = [];
  mkdirSync(SCRATCH, { recursive: true });
  for (const [model, ofModel] of Map.groupBy(cases, (one) => one.model)) {
    const file = join(SCRATCH, `peer-${model.id}.gguf`);
    writeSparse(model, QUANT, file);
    const ask = await peer.open(file);
    const truth = ofModel.map((one) => totalByDevice(one)[0] ?? Number.NaN);
    rows.push({
      model: model.id,
      cases: ofModel.length,
      theirs: spreadOf(ofModel.map((one, index) => ask(one) / (truth[index] ?? 1) - 1)),
      ours: spreadOf(ofModel.map((one, index) => estimateOf(one).gpuBytes / (truth[index] ?? 1) - 1)),
    });
    rmSync(file);
  }
  return { name: peer.name, against: peer.against, rows };
}

/** node-llama-cpp’s own formulas (`GgufInsights`). Its newer estimate loads the model without allocating, as our measurement does. */
export async function nodeLlamaCpp(): Promise<Peer> {
  const { GgmlType, GgufInsights, readGgufFileInfo } = await import('node-llama-cpp');
  const types = { f16: GgmlType.F16, q8_0: GgmlType.Q8_0, q4_0: GgmlType.Q4_0 };
  return {
    name: 'node-llama-cpp 3.22.1, `GgufInsights`',
    engine: 'ollama-b0',
    against: 'logits of the whole batch, as its runtime reserves them',
    async open(file) {
      const insights = await GgufInsights.from(await readGgufFileInfo(file));
      const weights = insights.estimateModelResourceRequirements({ gpuLayers: insights.totalLayers, useMmap: false });
      return ({ settings }) => {
        const context = insights.estimateContextResourceRequirements({
          contextSize: settings.contextLength,
          modelGpuLayers: insights.totalLayers,
          batchSize: settings.batch,
          sequences: settings.parallel,
          flashAttention: settings.flashAttention,
          kvCacheKeyType: types[settings.kvType],
          kvCacheValueType: types[settings.kvType],
        });
        return weights.gpuVram + context.gpuVram;
      };
    },
  };
}

/** gguf-parser-go, where its tool is on the PATH; compared with both ways of reserving logits, because it does not say which one it uses. */
export function ggufParser(): Peer[] {
  let version: string;
  try {
    version = execFileSync(PARSER, ['--version'], { encoding: 'utf8' }).trim().split('\n')[0] ?? '';
  } catch {
    return [];
  }
  const parser = {
    name: `gguf-parser-go, \`${version}\``,
    open: (file: string): Promise<Ask> => Promise.resolve((one) => vramOf(askGgufParser(file, one))),
  };
  return [
    { ...parser, engine: 'ollama-b', against: 'one row of logits a slot, as llama-server reserves them now' },
    { ...parser, engine: 'ollama-b0', against: 'logits of the whole batch, as llama-server once reserved them' },
  ];
}

function askGgufParser(file: string, { settings }: TruthCase): unknown {
  const { contextLength, batch, parallel, kvType, flashAttention } = settings;
  const flags: Readonly<Record<string, string | number>> = {
    '--path': file,
    '--ctx-size': contextLength * parallel,
    '--ubatch-size': batch,
    '--batch-size': batch,
    '--parallel-size': parallel,
    '--cache-type-k': kvType,
    '--cache-type-v': kvType,
    '--gpu-layers': -1,
    '--platform-footprint': '0,0',
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [name, String(value)]);
  const switches = ['--no-mmap', '--estimate', '--json', ...(flashAttention ? ['--flash-attention'] : [])];
  return JSON.parse(execFileSync(PARSER, [...args, ...switches], { encoding: 'utf8', maxBuffer: 1 << 28 }));
}

interface GgufParserAnswer {
  readonly estimate?: { readonly items?: readonly { readonly vrams?: readonly { readonly nonuma?: number }[] }[] };
}

function vramOf(answer: unknown): number {
  const { estimate } = answer as GgufParserAnswer;
  const bytes = estimate?.items?.[0]?.vrams?.[0]?.nonuma;
  if (bytes === undefined)
    throw new Error(`gguf-parser answered without VRAM: ${JSON.stringify(answer).slice(0, 300)}`);
  return bytes;
}
