/** Verdicts of “fits” that the no-alloc load refutes: there should be none. */
import { readdirSync, readFileSync } from 'node:fs';
import { usableDevices } from '../../src/fit/memory/devices.ts';
import { estimateMemory } from '../../src/fit/memory/estimate.ts';
import { gpuMargin, PROCESS_BYTES, ramBudget, UNIFIED_RESERVE_BYTES } from '../../src/fit/memory/margins.ts';
import { type PlaceRequest, place } from '../../src/fit/memory/placement.ts';
import { totalWeightBytes } from '../../src/gguf/weights.ts';
import { HostProfile } from '../../src/hardware/schema.ts';
import { type TruthCase, total, totalByDevice, truthCases, weightsFor } from './cases.ts';
import { describeCase } from './errors.ts';

const FOLDER = new URL('../../test/fixtures/profiles/', import.meta.url);

export interface Refutation {
  readonly profile: string;
  readonly case: string;
  readonly why: string;
}

export interface Invariant {
  /** “Fits” verdicts, and of these the ones whose very place was measured. */
  readonly fits: number;
  readonly checked: number;
  readonly refuted: readonly Refutation[];
}

export function fixtureProfiles(): HostProfile[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => HostProfile.parse(JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'))));
}

/** Asks for a verdict for every measured model, quant and setting on every profile, and compares it with the measurement. */
export function checkVerdicts(cases: Iterable<TruthCase> = truthCases()): Invariant {
  const bySettings = new Map<string, TruthCase[]>();
  for (const one of cases) {
    const key = JSON.stringify([one.model.id, one.quant, one.engine, one.settings]);
    bySettings.set(key, [...(bySettings.get(key) ?? []), one]);
  }
  const profiles = fixtureProfiles();
  const refuted: Refutation[] = [];
  let [fits, checked] = [0, 0];
  for (const places of bySettings.values()) {
    for (const profile of profiles) {
      const verdict = verdictOn(profile, places);
      if (verdict === undefined) continue;
      fits += 1;
      if (verdict.measured === undefined) continue;
      checked += 1;
      const why = whyNot(profile, verdict.measured, verdict.unified);
      if (why !== undefined) refuted.push({ profile: profile.name, case: describeCase(verdict.measured), why });
    }
  }
  return { fits, checked, refuted };
}

interface Verdict {
  readonly unified: boolean;
  /** The measurement of exactly the place that was chosen. */
  readonly measured?: TruthCase;
}

function verdictOn(profile: HostProfile, places: readonly TruthCase[]): Verdict | undefined {
  const [first] = places;
  if (first === undefined) return undefined;
  const { model, quant, engine, settings } = first;
  const request: PlaceRequest = {
    architecture: model.architecture,
    hyperparameters: model.hyperparameters,
    weights: weightsFor(model, quant),
    weightsBasis: 'catalog',
    engine,
    settings,
  };
  let chosen = '';
  let unified = false;
  const placed = place(request, profile, (asked) => {
    const memory = estimateMemory(asked);
    placements.set(memory, asked.placement);
    return memory;
  });
  if (placed.verdict === 'no') return undefined;
  const placement = placements.get(placed.memory);
  if (placement !== undefined) {
    chosen = placeKey(placement);
    unified = placed.verdict === 'gpu' && usableDevices(profile, engine).devices.every((device) => device.unified);
  }
  const measured = places.find((one) => placeKey(one.placement) === chosen);
  return { unified, ...(measured !== undefined && { measured }) };
}

const placements = new WeakMap<object, TruthCase['placement']>();

function placeKey({ gpuLayers, split }: TruthCase['placement']): string {
  return JSON.stringify([gpuLayers, split ?? [gpuLayers]]);
}

/**
 * Why the measured bytes do not fit where the verdict said they would; undefined when they do. Unified memory: Metal maps
 * the file, so its weights count once, whatever the measurement without mapping says of them.
 */
function whyNot(profile: HostProfile, one: TruthCase, unified: boolean): string | undefined {
  const byDevice = totalByDevice(one);
  const ram = byDevice.at(-1) ?? 0;
  const gpus = byDevice.slice(0, -1);
  const { devices } = usableDevices(profile, one.engine);
  const margin = gpuMargin(one.engine, profile);
  if (unified) {
    const all = total(one.kv) + total(one.compute) + totalWeightBytes(weightsFor(one.model, one.quant));
    return all + UNIFIED_RESERVE_BYTES > profile.memory.usable ? `${all} B of unified memory` : undefined;
  }
  const free = devices.map(({ freeBytes }) => freeBytes).sort((a, b) => (gpus.length === 1 ? b - a : 0));
  const tight = gpus.findIndex((bytes, index) => bytes + margin > (free[index] ?? 0));
  if (tight >= 0) return `${gpus[tight]} B on GPU ${tight}, ${free[tight]} B free`;
  return ram + PROCESS_BYTES > ramBudget(profile) ? `${ram} B of RAM` : undefined;
}
