/** Turns the data of a recommendation into the words and numbers that the template inserts. */
import { METRIC_TEXT, type QualitySeries, qualityValueText } from '../catalog/quality-schema.ts';
import { formatBytes } from '../core/units.ts';
import { formatSpeed, noneRuns, PLACEMENT_TEXT, policyText } from '../fit/choice/reasons.ts';
import type { Candidate, Change, FitTable, Recommendation } from '../fit/schema.ts';
import { hostView } from './host-view.ts';
import type { RecommendationData } from './schema.ts';
import { speedScale, speedView } from './speed-view.ts';
import { scalesOf, tracksOf } from './tracks.ts';

const RUNS_ON = { gpu: 'GPU', partial: 'GPU and CPU', cpu: 'CPU', no: 'does not run' } as const;

/** Everything on the page; lists may be empty, so that a strict template finds what it names. */
export function pageView(data: RecommendationData) {
  const { choice, candidates, limits, settings, speedFloor } = data;
  const scales = scalesOf(candidates, limits);
  const speeds = speedScale(candidates, speedFloor?.tokensPerSecond);
  return {
    model: data.model,
    settings: `${settings.contextLength} tokens of context, micro-batch ${settings.batch}, KV cache ${settings.kvType}, ${settings.parallel === 1 ? 'one request' : `${settings.parallel} requests`} at a time, flash attention ${settings.flashAttention ? 'on' : 'off'}`,
    floor:
      speedFloor === undefined
        ? ''
        : `${formatSpeed(speedFloor.tokensPerSecond)} tokens per second or more are required: ${speedFloor.reason}.`,
    choices: choiceView(data),
    failure: choice === undefined ? failureView(data) : [],
    candidates: candidates.map((candidate) => ({
      ...candidateView(candidate, candidate.quant === choice?.quant),
      tracks: tracksOf(candidate, limits, scales),
      speed: speedView(candidate, speeds),
    })),
    changes: data.changes.map(({ sentence }: Change) => sentence),
    tables: data.table === undefined ? [] : tableViews(data.table),
    tableNotes: data.table?.notes ?? [],
    measurements: (data.measurements ?? []).map(measurementView),
    host: hostView(data),
  };
}

/** One entry where something was chosen, none otherwise. */
function choiceView({ choice, settingReasons }: Recommendation) {
  if (choice === undefined) return [];
  return [
    {
      quant: choice.quant,
      place: PLACEMENT_TEXT[choice.verdict],
      policy: choice.policy === undefined ? '' : `Chosen by ${policyText(choice)}.`,
      parameters: Object.entries(choice.parameters).map(([name, value]) => `${name} ${value}`),
      reasons: [...choice.reasons, ...settingReasons],
    },
  ];
}

function failureView(recommendation: Recommendation): string[] {
  const { candidates, shortfall } = recommendation;
  return [
    noneRuns(recommendation),
    ...(candidates[0]?.blockedBy ?? []),
    ...(shortfall === undefined ? [] : [shortfall]),
  ];
}

function candidateView(candidate: Candidate, chosen: boolean) {
  const { memory, needsFree, largestContext, quality } = candidate;
  return {
    quant: candidate.quant,
    chosen,
    stars: '★'.repeat(quality) + '☆'.repeat(5 - quality),
    quality,
    verdict: candidate.verdict,
    runsOn: RUNS_ON[candidate.verdict],
    placement: candidate.placement,
    total: formatBytes(memory.totalBytes),
    onGpu: memory.gpuBytes > 0 ? formatBytes(memory.gpuBytes) : '–',
    freeGpu: needsFree.gpuBytes === undefined ? '–' : formatBytes(needsFree.gpuBytes),
    freeRam: formatBytes(needsFree.ramBytes),
    headroom:
      candidate.headroomBytes < 0 ? `−${formatBytes(-candidate.headroomBytes)}` : formatBytes(candidate.headroomBytes),
    context: largestContext === undefined ? '–' : largestContext.toLocaleString('en'),
    byPolicy: candidate.byPolicy,
    parts: [
      ['Weights', memory.weightsBytes, memory.basis.weights],
      ['KV cache', memory.kvBytes, memory.basis.kv],
      ['Compute buffers', memory.computeBytes, memory.basis.compute],
    ].map(([name, bytes, basis]) => ({ name, bytes: formatBytes(Number(bytes)), basis: basis ?? 'not stated' })),
    reasons: [...candidate.blockedBy, ...candidate.reasons],
  };
}

function measurementView({ metric, values, ...series }: QualitySeries) {
  return {
    ...series,
    against: series.against ?? '',
    caution: series.caution ?? '',
    title: METRIC_TEXT[metric].title,
    better: METRIC_TEXT[metric].better,
    rows: values.map((row) => ({ file: row.file, value: qualityValueText(metric, row) })),
  };
}

function tableViews({ contexts, kvTypes, rows }: FitTable) {
  return kvTypes.map((kvType) => ({
    kvType,
    contexts: contexts.map((tokens) => tokens.toLocaleString('en')),
    rows: rows.map(({ quant, cells }) => ({
      quant,
      cells: contexts.map((tokens) => {
        const cell = cells.find((one) => one.kvType === kvType && one.contextLength === tokens);
        if (cell === undefined) return { verdict: 'no', text: '–' };
        return { verdict: cell.verdict, text: `${RUNS_ON[cell.verdict]}, ${freeText(cell)}` };
      }),
    })),
  }));
}

function freeText({ verdict, needsFree: { gpuBytes, ramBytes } }: FitTable['rows'][number]['cells'][number]): string {
  if (gpuBytes === undefined) return formatBytes(ramBytes);
  return verdict === 'partial' ? `${formatBytes(gpuBytes)} + ${formatBytes(ramBytes)}` : formatBytes(gpuBytes);
}
