import { defined } from '../../core/defined.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { InstallPlan, SourceFile } from '../plan/contract.ts';
import { fileSourceOf, projectorOf, type Tested } from './record.ts';
import type { BytesFrom, InstallReport, StepId } from './schema.ts';
import type { Candidate } from './stage.ts';
import type { Steps } from './steps.ts';

const FILE_STEPS: readonly StepId[] = ['verify', 'store', 'smoke', 'prove', 'promote', 'record', 'clean'];
const FETCH_STEPS: readonly StepId[] = ['fetch', ...FILE_STEPS.slice(1)];
const LIBRARY_STEPS: readonly StepId[] = ['pull', 'smoke', 'prove', 'promote', 'record', 'clean'];

/** The report of a plan that is not carried out. */
export function planReport(plan: InstallPlan): InstallReport {
  return {
    dryRun: true,
    changed: false,
    model: plan.model.id,
    quant: plan.quant,
    name: plan.name,
    runtime: plan.runtime,
    source: sourceOf(plan),
    ...projectorOf(plan),
    choice: { reasons: [...plan.reasons] },
    licence: licenceOf(plan),
    plan: {
      bytesToMove: plan.bytesToMove,
      disk: [...plan.disk],
      ...defined({ memory: plan.memory, bytesFrom: bytesFrom(plan) }),
    },
    steps: stepsOf(plan).map((id) => ({ id, status: 'planned', ms: 0, bytes: 0 })),
    bytesMoved: 0,
    ...(plan.transfer !== undefined && { way: plan.transfer.way, why: plan.transfer.why }),
  };
}

function licenceOf({ family }: InstallPlan): NonNullable<InstallReport['licence']> {
  const { id, url, acceptanceRequired } = family.licence;
  return { id, url, acceptanceRequired };
}

function stepsOf(plan: InstallPlan): readonly StepId[] {
  if (plan.source.kind === 'library') return LIBRARY_STEPS;
  return isFetched(plan) ? FETCH_STEPS : FILE_STEPS;
}

/** A file on a web server that comes into our cache first. */
export function isFetched({ source, transfer }: InstallPlan): boolean {
  return source.kind === 'file' && comesIntoCache(source.file, transfer);
}

/** A file on a web server, unless it goes straight into the runtime or is there already. */
export function comesIntoCache(file: SourceFile, transfer: InstallPlan['transfer']): boolean {
  return file.kind === 'remote' && transfer?.way !== 'stream' && transfer?.way !== 'present';
}

function sourceOf({ source }: InstallPlan): InstallReport['source'] {
  if (source.kind === 'library') return { ref: source.ref };
  return fileSourceOf(source.file);
}

function bytesFrom({ source }: InstallPlan): BytesFrom | undefined {
  if (source.kind === 'library') return undefined;
  const { file } = source;
  if (file.kind === 'remote') return file.servedBy === undefined ? undefined : { at: 'mirror', name: file.servedBy };
  if (file.immutable === true) return { at: 'cache', path: file.path };
  return file.servedBy === undefined ? undefined : { at: 'store', name: file.servedBy, path: file.path };
}

/** Of an install that was carried out: what was downloaded lies in our cache by then, and what did not move came from nowhere. */
function bytesUsed(plan: InstallPlan, steps: Steps, changed: boolean): BytesFrom | undefined {
  const from = changed ? bytesFrom(plan) : undefined;
  const isFetched = steps.list.some(({ id, status }) => id === 'fetch' && status === 'done');
  if (from === undefined || !isFetched) return from;
  const served = plan.source.kind === 'file' ? plan.source.file.servedBy : undefined;
  return served === undefined ? undefined : { at: 'mirror', name: served };
}

interface Outcome {
  readonly changed: boolean;
  readonly bytesMoved: number;
  readonly record: InstallRecord;
  readonly tested: Tested;
  readonly way: Candidate['way'];
}

/** The report of an install that was carried out, or that found everything in place. */
export function installReport(plan: InstallPlan, steps: Steps, outcome: Outcome): InstallReport {
  const { changed, bytesMoved, record, tested, way } = outcome;
  const smoke = tested.smoke ?? (changed ? undefined : record.smoke);
  const { way: planned, why, ...common } = planReport(plan);
  return {
    ...common,
    plan: { ...defined({ ...common.plan, bytesFrom: bytesUsed(plan, steps, changed) }) },
    dryRun: false,
    changed,
    steps: steps.list,
    bytesMoved,
    record,
    source: record.source,
    ...(way !== undefined && { way, ...(way === planned && why !== undefined && { why }) }),
    ...(smoke !== undefined && { smoke }),
    ...(tested.prompt !== undefined && { prompt: tested.prompt }),
    ...(record.previous !== undefined && { previous: record.previous }),
  };
}
