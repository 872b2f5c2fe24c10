/** Suggestions for a user who typed the name of a model as another tool spells it. */
import { didYouMean, nearest } from '../core/suggest.ts';
import type { Catalog } from './load.ts';
import type { Model } from './schema.ts';

/** Suggestions for a name that is not a model of the catalog, best first. */
export function suggestModels(catalog: Catalog, typed: string): string[] {
  const families = catalog.families.map(({ family }) => family);
  const models = families.flatMap((family) => family.models);
  const ids = models.map((model) => model.id);
  const all = `Known: ${ids.join(', ')}.`;
  if (typed === '') return [all];
  const library = models.find((model) => model.library?.name === typed.toLowerCase());
  if (library !== undefined) return [librarySuggestion(library), all];
  const family = families.find((candidate) => candidate.id === typed.toLowerCase());
  if (family !== undefined)
    return [`${family.id} is a family; use one of its models: ${family.models.map((model) => model.id).join(', ')}.`];
  const meant = models.map((model) => spelling(model, typed)).find((name) => name !== undefined);
  if (meant !== undefined) return [`Did you mean ${meant}?`, all];
  const [name = typed, quant] = typed.split(':', 2);
  const near = nearest(name, ids);
  if (near !== undefined && quant) return [`Did you mean ${withQuant(models, near, quant)}?`, all];
  return didYouMean(name, ids, 50);
}

function librarySuggestion(model: Model): string {
  const name = model.library?.name ?? '';
  return `${name} is a name in Ollama's library; here the model is ${model.id} (add --from ollama:${name} for the pre-built model).`;
}

/** The model, with its quant if one can be read out of the name, when the name is only another spelling of it. */
function spelling(model: Model, typed: string): string | undefined {
  const file = model.quants.find((quant) => quant.file.toLowerCase() === typed.toLowerCase().replace(/^.*[/\\]/, ''));
  if (file !== undefined) return `${model.id}:${file.id}`;
  const wanted = squash(typed.replace(/:latest$/i, ''));
  const names = [model.id, model.title, model.baseModel, model.library?.name].filter((name) => name !== undefined);
  const known = new Set(names.map(squash));
  if (known.has(wanted)) return model.id;
  const quant = [...model.quants]
    // Longest first, so that a quant whose id ends another's cannot claim its name.
    .sort((left, right) => right.id.length - left.id.length)
    .find(({ id }) => wanted.endsWith(squash(id)) && known.has(squash(wanted.slice(0, -squash(id).length))));
  return quant === undefined ? undefined : `${model.id}:${quant.id}`;
}

/** `google/gemma-3n-E4B-it`, `Gemma 3n E4B IT` and `gemma3n:e4b` are one word: owner, marks and the instruct suffix fall away. */
function squash(name: string): string {
  return name
    .toLowerCase()
    .replace(/^(hf:|ollama:|hf\.co\/)/, '')
    .replace(/^[^/]*\//, '')
    .replace(/[^a-z0-9]/g, '')
    .replace(/(it|instruct)?(gguf)?$/, '');
}

function withQuant(models: readonly Model[], id: string, typed: string): string {
  const quants = models.find((model) => model.id === id)?.quants.map((quant) => quant.id) ?? [];
  const near = nearestQuant(typed, quants);
  return near === undefined ? id : `${id}:${near}`;
}

/** Suggestions for a quant that the model does not have, best first. */
export function suggestQuants(typed: string, known: readonly string[]): string[] {
  const near = nearestQuant(typed, known);
  return [...(near === undefined ? [] : [`Did you mean ${near}?`]), `Known: ${known.join(', ')}.`];
}

/** `q4km` is `q4_k_m` and `q6` is `q6_k` for a person, though other quants are fewer letters away. */
function nearestQuant(typed: string, known: readonly string[]): string | undefined {
  const bareOf = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const bare = bareOf(typed);
  const same = known.find((id) => bareOf(id) === bare);
  const begun = bare.length < 2 ? [] : known.filter((id) => bareOf(id).startsWith(bare));
  return same ?? (begun.length === 1 ? begun[0] : nearest(typed.replaceAll('-', '_'), known));
}
