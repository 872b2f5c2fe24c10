/** Builds and runs native/measure.cpp: llama.cpp’s own accounting, without a GPU and without allocating. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunSettings } from '../../src/fit/schema.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Scratch folder, not committed. */
export const SCRATCH = join(ROOT, '.bench', 'fit');
const LIBRARIES = join(ROOT, 'node_modules/@node-llama-cpp/linux-x64/bins/linux-x64');
const SOURCES = join(SCRATCH, 'llama.cpp');
const PROGRAM = join(SCRATCH, 'measure');
const COMPILER = process.env.CXX ?? 'c++';

export interface Request {
  readonly file: string;
  readonly devices: number;
  readonly gpuLayers: number;
  readonly settings: RunSettings;
  readonly allLogits: boolean;
}

type Parts = readonly [weights: number, kv: number, compute: number];

export interface Answer {
  readonly devices: readonly Parts[];
  readonly host: Parts;
}

/** Compiles against the sources that node-llama-cpp ships as a git bundle, so that headers and libraries agree. */
export function buildMeasure(): void {
  mkdirSync(SCRATCH, { recursive: true });
  const bundle = join(ROOT, 'node_modules/node-llama-cpp/llama/gitRelease.bundle');
  if (!existsSync(SOURCES)) execFileSync('git', ['clone', '--quiet', bundle, SOURCES], { stdio: 'inherit' });
  const libraries = ['libllama', 'libggml', 'libggml-base'].map((name) => `-l:${libraryNamed(name)}`);
  const includes = ['include', 'ggml/include', 'ggml/src', 'src'].map((folder) => `-I${join(SOURCES, folder)}`);
  const source = fileURLToPath(new URL('./native/measure.cpp', import.meta.url));
  const link = [`-L${LIBRARIES}`, ...libraries, `-Wl,-rpath,${LIBRARIES}`, '-Wl,--allow-shlib-undefined'];
  execFileSync(COMPILER, ['-std=c++17', '-o', PROGRAM, source, ...includes, ...link], { stdio: 'inherit' });
}

function libraryNamed(name: string): string {
  const found = readdirSync(LIBRARIES).find((file) => file === `${name}.so` || file.startsWith(`${name}.v`));
  if (found === undefined) throw new Error(`no ${name} in ${LIBRARIES}`);
  return found;
}

/** One answer per request, in order. Requests for one file should follow each other: a change of file loads it anew. */
export function measure(requests: readonly Request[], env: Readonly<Record<string, string>> = {}): Answer[] {
  const input = requests.map(lineOf).join('\n');
  const output = execFileSync(PROGRAM, [LIBRARIES], {
    input: `${input}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ...env },
  });
  const answers = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  if (answers.length !== requests.length) throw new Error(`${answers.length} answers to ${requests.length} requests`);
  answers.forEach((answer, index) => {
    if ('error' in answer) throw new Error(`${answer.error}: ${JSON.stringify(requests[index])}`);
  });
  return answers;
}

function lineOf({ file, devices, gpuLayers, settings, allLogits }: Request): string {
  const { contextLength, batch, parallel, kvType, flashAttention } = settings;
  const context = contextLength * parallel;
  const outputs = allLogits ? 0 : parallel;
  return [file, devices, gpuLayers, context, batch, batch, parallel, flashAttention ? 1 : 0, kvType, outputs].join(' ');
}
