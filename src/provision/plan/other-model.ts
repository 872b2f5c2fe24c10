/** Another model of the catalog for a host on which the wanted one does not run, or not well. */
import type { Catalog } from '../../catalog/load.ts';
import type { Family, Model } from '../../catalog/schema.ts';
import { formatSpeed, PLACEMENT_TEXT, starsText } from '../../fit/choice/reasons.ts';
import type { Candidate, Change, Recommendation } from '../../fit/schema.ts';
import type { InstallRequest } from './contract.ts';
import { type RankInputs, rank } from './fit-check.ts';

interface OtherModel {
  readonly model: Model;
  readonly best: Candidate;
}

/** Stars from which a quant is worth naming before a smaller model: fewer lose more than that does. */
const GOOD_STARS = 3;

/**
 * The best model of the catalog that runs here, by the same ranking and for the same server and settings: the one with most
 * parameters among those that get three stars and the wanted speed, else three stars, else any that run. Of the same kind
 * as the wanted one. Undefined where none runs.
 */
export function bestOtherModel(
  wanted: Model,
  { families }: Pick<Catalog, 'families'>,
  request: InstallRequest,
  inputs: RankInputs,
): OtherModel | undefined {
  const { contextLength = 0 } = request.settings;
  const found = families
    .flatMap(({ family }) => family.models.map((model) => ({ family, model })))
    .filter(({ model }) => model.id !== wanted.id && model.kind === wanted.kind)
    .filter(({ model }) => model.hyperparameters.contextLength >= contextLength)
    .flatMap(({ family, model }) => runningAs(model, family, request, inputs));
  return found.toSorted(
    (a, b) =>
      Number(isGood(b.best)) - Number(isGood(a.best)) ||
      Number(b.best.quality >= GOOD_STARS) - Number(a.best.quality >= GOOD_STARS) ||
      b.model.parameters.total - a.model.parameters.total,
  )[0];
}

/** The change that another model is: where nothing of the wanted one runs, and where what runs is poor and another one is not. */
export function otherModelChange(
  wanted: Model,
  ranking: Recommendation,
  catalog: Pick<Catalog, 'families'>,
  request: InstallRequest,
  inputs: RankInputs,
): Change[] {
  const now = ranking.candidates.find(({ quant }) => quant === ranking.choice?.quant);
  if (now !== undefined && isGood(now)) return [];
  const other = bestOtherModel(wanted, catalog, request, inputs);
  if (other === undefined || (now !== undefined && !isGood(other.best))) return [];
  const { model, best } = other;
  const isSmaller = model.parameters.total < wanted.parameters.total;
  return [
    {
      kind: isSmaller ? 'smaller-model' : 'other-model',
      model: model.id,
      quant: best.quant,
      verdict: best.verdict,
      sentence: `With ${isSmaller ? 'a smaller' : 'another'} model: ${otherModelText(other)}.`,
    },
  ];
}

/** `gemma-3-1b:q8_0 would run on the CPU (5 stars, about 12 tok/s)`. */
export function otherModelText({ model, best }: OtherModel): string {
  const speed = best.tokensPerSecond === undefined ? '' : `, about ${formatSpeed(best.tokensPerSecond.estimate)} tok/s`;
  return `${model.id}:${best.quant} would run ${PLACEMENT_TEXT[best.verdict]} (${starsText(best)}${speed})`;
}

function runningAs(model: Model, family: Family, request: InstallRequest, inputs: RankInputs): OtherModel[] {
  // A server without the architecture loads no quant of it.
  if (inputs.facts.refusal(family.architecture, model) !== undefined) return [];
  const { choice, candidates } = rank(model, family, request, inputs);
  const best = candidates.find(({ quant }) => quant === choice?.quant);
  return best === undefined ? [] : [{ model, best }];
}

function isGood({ quality, reachesFloor }: Candidate): boolean {
  return quality >= GOOD_STARS && reachesFloor !== false;
}
