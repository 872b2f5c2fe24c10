/** The page docs/fit.md. */

import type { TruthCase } from './cases.ts';
import { CHOICE } from './choice.ts';
import { type Errors, errorsOf, type Spread } from './errors.ts';
import type { PeerTable } from './peers.ts';
import type { Invariant } from './refuted.ts';
import type { ServerRow } from './servers.ts';

export interface Findings {
  readonly llamaCpp: string;
  readonly cases: readonly TruthCase[];
  readonly verdicts: Invariant;
  readonly peers: readonly PeerTable[];
  readonly servers: readonly ServerRow[];
}

const MIB = 1024 ** 2;

const PLACES = { cpu: 'CPU', gpu: 'one GPU', 'two-gpus': 'two GPUs', half: 'half', most: 'all but one' } as const;
const LOGITS = { 'ollama-b': 'one row per slot', 'ollama-b0': 'whole batch' } as const;

export function report(findings: Findings): string {
  return [
    '<!-- Written by bench/fit.ts (npm run bench:fit). -->',
    '# Accuracy of the memory estimates',
    intro(findings),
    '## Against llama.cpp’s own accounting',
    truthTables(findings.cases),
    '### Gemma 4',
    gemma4Tables(findings.cases),
    '## Some of the layers on the GPU',
    partialTable(findings.cases),
    '## Verdicts',
    verdictText(findings.verdicts),
    '## Other tools, same files, same settings',
    peerTables(findings.peers),
    '## Real servers',
    serverTable(findings.servers),
    '## The choice',
    CHOICE,
    '## Limitations',
    NOT_RUN,
    '## Formulas',
    FORMULAS,
  ]
    .join('\n\n')
    .concat('\n');
}

function intro({ llamaCpp, cases }: Findings): string {
  return `The reference is llama.cpp itself: ${llamaCpp} loads files with the real header of a model and without weights, in its
\`no_alloc\` mode, and reports how many bytes each device would get for weights, KV cache and compute buffers
(\`bench/fit/native/measure.cpp\`, recorded in \`test/fixtures/fit/ground-truth.json\`; ${cases.length} cases). GPUs are simulated: devices
that compute nothing and have the memory rules of ggml’s CUDA backend. CI compares the estimator with the recording.

The formulas were fitted on a grid of context 2k, 8k, 32k × micro-batch 128, 512, 2048 × flash attention with f16 or q8_0
cache, or without. A third of the settings was not used for fitting (“held out”): other contexts, micro-batches, two to four slots, a q4_0 cache.
Errors are (estimate − reference) / reference; a value above zero is an overestimate.`;
}

function truthTables(cases: readonly TruthCase[]): string {
  const whole = cases.filter(({ place }) => place === 'cpu' || place === 'gpu' || place === 'two-gpus');
  const rows = (['fitted', 'held out', 'other model'] as const).flatMap((set) =>
    (['ollama-b', 'ollama-b0'] as const).flatMap((engine) =>
      (['cpu', 'gpu', 'two-gpus'] as const).map((place) => {
        const errors = errorsOf(whole.filter((one) => one.set === set && one.engine === engine && one.place === place));
        return errorRow([set, LOGITS[engine], PLACES[place]], errors);
      }),
    ),
  );
  return `${table(ERROR_HEAD, rows)}

“Other model”: Gemma 3 12B, Llama 3.2 1B, Qwen2.5 0.5B (F16), which were not used for fitting. “Whole batch”: builds that reserve
the logits of every token of a micro-batch (Ollama 0.30.0–0.30.8, the embedded runtime, llama.cpp of an unknown build);
there the largest term is an upper bound for Gemma 3n and 4. The weights differ by the padding of small tensors to 128 bytes. Every published
shape of Gemma 4 was used for fitting, so for this architecture only the settings are held out, not a model.

By model, all settings, one row of logits per slot:

${table(ERROR_HEAD, byModel(whole.filter(({ engine }) => engine === 'ollama-b')))}`;
}

function gemma4Tables(cases: readonly TruthCase[]): string {
  const whole = cases.filter(
    ({ model, place }) => model.architecture === 'gemma4' && ['cpu', 'gpu', 'two-gpus'].includes(place),
  );
  const rows = (['fitted', 'held out'] as const).flatMap((set) =>
    (['ollama-b', 'ollama-b0'] as const).flatMap((engine) =>
      (['cpu', 'gpu', 'two-gpus'] as const).map((place) => {
        const errors = errorsOf(whole.filter((one) => one.set === set && one.engine === engine && one.place === place));
        return errorRow([set, LOGITS[engine], PLACES[place]], errors);
      }),
    ),
  );
  return `Sparse files with the published shapes of E2B, E4B, 12B, 26B A4B and 31B and the types that llama.cpp’s own quantiser chooses
(F16, Q8_0, Q4_K_M, Q2_K, and the files trained for Q4_0). Local and global layers differ in the width of their heads and in their KV heads; llama.cpp stores
values also where keys serve as values, and without flash attention as many in each layer as in the widest. The last layers of E2B
and E4B use an earlier layer’s cache: where that is on another device, every such layer has a copy of it there, four copies
with several GPUs. All experts of 26B A4B are in memory; of the weights that a token reads, only those that it uses count for
the speed.

${table(ERROR_HEAD, rows)}`;
}

const ERROR_HEAD = [
  'set',
  'logits',
  'placement',
  'cases',
  'weights',
  'KV',
  'compute',
  'total',
  'total p95',
  'worst GPU',
];

function byModel(cases: readonly TruthCase[]): string[][] {
  return [...Map.groupBy(cases, ({ model }) => model.id)].map(([id, ofModel]) =>
    errorRow([id, LOGITS['ollama-b'], 'all'], errorsOf(ofModel)),
  );
}

function errorRow(head: readonly string[], errors: Errors): string[] {
  return [
    ...head,
    String(errors.cases),
    errors.weightsBytes === 0 ? 'exact' : `${errors.weightsBytes} B`,
    errors.kvWrong === 0 ? 'exact' : `${errors.kvWrong} wrong`,
    range(errors.compute),
    range(errors.total),
    percent(errors.total.p95),
    range(errors.device),
  ];
}

function partialTable(cases: readonly TruthCase[]): string {
  const partial = cases.filter(({ place }) => place === 'half' || place === 'most');
  const rows = [...Map.groupBy(partial, ({ model, place }) => `${model.id} ${place}`)].map(([key, some]) => {
    const [id = '', place = 'half'] = key.split(' ');
    const errors = errorsOf(some);
    const name = place === 'most' ? PLACES.most : PLACES.half;
    return [id, name, String(errors.cases), range(errors.device), range(errors.total)];
  });
  return `Large batches are then computed on the GPU also for the layers in RAM, and the data copied there depends on the types of
the matrices and on whether they were repacked for the CPU. The estimate is only an upper bound here: the requirement is that it is
never too low for the GPU.

${table(['model', 'layers on the GPU', 'cases', 'GPU', 'total with RAM'], rows)}`;
}

function verdictText({ fits, checked, refuted }: Invariant): string {
  return `Every measured model, quant and setting was combined with every saved host profile (\`test/fixtures/profiles\`): ${fits} answers were
“it runs here”. For ${checked} of them the chosen placement had been measured (all layers on one GPU, on two evenly, on
the CPU; other splits were not measured). **${refuted.length} were wrong** according to what llama.cpp would allocate and the margin that must stay free. On Apple’s
profiles, weights are counted as the mapped file, because the measurement does not map.`;
}

function peerTables(peers: readonly PeerTable[]): string {
  const tables = peers.map(({ name, against, rows }) => {
    const body = rows.map(({ model, cases, theirs, ours }) => [
      model,
      String(cases),
      range(theirs),
      percent(theirs.p95),
      range(ours),
      percent(ours.p95),
    ]);
    return `${name} (reference: ${against}):\n\n${table(['model', 'cases', 'their error', 'their p95', 'our error', 'our p95'], body)}`;
  });
  const parser = peers.length > 1 ? '' : '\n\ngguf-parser-go: not run, its tool was not on the PATH.';
  return `VRAM of Q4_K_M with all layers on one GPU, all settings of the grid, fitted and held out. Their tools were run without margins
and platform footprints, and without mapping.

${tables.join('\n\n')}${parser}

\`@huggingface/gguf\` reads headers, and its library does not estimate by context and micro-batch; it is not a dependency here and was
not run. node-llama-cpp’s newer estimate (\`…V2\`) makes llama.cpp load without allocating, like our measurement; without a GPU
it covers only the CPU.`;
}

function serverTable(servers: readonly ServerRow[]): string {
  const rows = servers.map(({ version, model, quant, contextLength, predicted, allocated, ps, rss, anonymous }) => [
    version,
    `${model} ${quant}`,
    String(contextLength),
    mib(predicted),
    allocated === undefined ? 'not seen' : `${mib(allocated)} (${percent(predicted / allocated - 1)})`,
    mib(ps),
    `${mib(rss)} (${mib(anonymous)})`,
  ]);
  return `On a CPU, micro-batch 512, one slot, the default flash attention of each version; MiB. Gemma 3 270m, Gemma 3n E2B and Gemma 4 E2B are
files with the exact header and zeros as weights.

${table(['Ollama', 'model', 'context', 'predicted', 'allocated (server log)', '`ps` size', 'RSS of the runner (private)'], rows)}

- For 0.33.0-rc2 only the tiny model’s load was used for fitting: the others are a test. The compute buffers of 0.10.0 and 0.24.0 were fitted on loads of these and
  of two other models, so there the table shows how well the formula describes them.
- **0.10.0**: \`ps\` is the server’s own guess before the load, not what is allocated: 1.4 to 3.2 times as much.
- **0.24.0**: \`ps\` is what is allocated.
- **0.33.0-rc2**: \`ps\` leaves out the KV cache of the layers that see the whole context (llama.cpp prints two cache sizes, and Ollama seems to use
  the last one), so it is 24 MiB too low for Gemma 3 270m at 8k and 64 MiB too low for Gemma 3n E2B.
- RSS is the touched allocations plus the program: 2 to 60 MiB more than allocated for small models, and less than allocated for large ones, whose
  buffers are not completely written during a load. The half GiB that is kept free in addition to every model covers it.`;
}

const NOT_RUN = `- **No GPU was available.** VRAM, CUDA’s context and its pools, Metal, ROCm and Vulkan buffers were not measured; the simulated devices follow the
  rules in CUDA’s source. CUDA also pads rows of quantised tensors to 512 values, which adds about 0.02 % for Gemma 3 270m and 1b and
  is not in the reference; Vulkan and ROCm have other rules. The margins (1024 MiB; 457 MiB before Ollama 0.30) are the engines’ own.
- What a load uses while it runs (staging buffers, CUDA graphs) is not in the reference.
- Ollama before 0.30 on a GPU: placement is from its source, buffers are those of its CPU graph.
- Ollama 0.30.0–0.30.8 were not run; that they reserve all logits is inferred from the llama.cpp builds that they use.
- Metal’s span over the mapped file is from llama.cpp’s source.
- Gemma 4 in Ollama before 0.30: the larger of llama.cpp’s graph and the formula for Gemma 3 and 3n there, and copies of the mask by two loads of E2B.
- Images and audio: projectors are counted with the output layer, but their compute buffers are not counted.`;

const FORMULAS = `Weights are sums of tensor bytes, placed like in each engine; KV caches are cells × bytes. A compute buffer is the inputs of the
graph (masks, positions, cache indices) and, for each token of a micro-batch, 4 bytes times the largest of (llama.cpp, on a GPU):

| | feed-forward | attention | logits of the whole batch |
| --- | --- | --- | --- |
| Gemma 3, Llama and similar | 3·ff + 2·e + q (+ q without flash attention) | 2·e + 2·q + scores | vocabulary + e |
| Gemma 3n | 3·ff + P + 9·e | P + 7·e + scores | vocabulary + 6·e (9·e) |
| Gemma 4 12B, 31B | 3·ff + 2·e + q (without q where flash attention is off) | 2·e + 2·q + scores | vocabulary + 2·e |
| Gemma 4 26B A4B | 2·used·e + the larger of e and a local layer’s q | 3·e + 2·q + local q + scores | vocabulary + 2·e + ff |
| Gemma 4 E2B, E4B | 4·ff + P | P + 8·e + q + scores | vocabulary + P + 3·e |

e: width of the embedding, ff: of the feed-forward, q: of all query heads, P: per-layer embeddings of all layers. Scores are heads × context
without flash attention; with it and a quantised cache on CUDA, f16 copies of a layer’s keys and values. On a CPU the looked-up embedding is
added (\`src/fit/memory/graph.ts\`, \`gemma4.ts\`). used: experts that a token uses. Several GPUs that hold all layers keep four copies of their inputs (\`src/fit/memory/compute.ts\`).`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function range({ lowest, highest }: Spread): string {
  if (Math.max(-lowest, highest) < 0.00005) return 'exact';
  return `${percent(lowest)} … ${percent(highest)}`;
}

/** `+1.2 %`; 0 % for what rounds to it. */
function percent(share: number): string {
  const rounded = Math.abs(share) >= 1 ? Math.round(share * 100) : Math.round(share * 1000) / 10;
  return `${rounded > 0 ? '+' : ''}${rounded === 0 ? 0 : rounded} %`.replace('-', '−');
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
