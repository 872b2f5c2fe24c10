import type { ServerFacts } from '../../compat/lookup.ts';
import type { Digest } from '../../core/digest.ts';
import type { StoredModel, StoreRequest } from '../contract.ts';
import { isJinja } from '../jinja.ts';
import { parseParameters } from './parameters.ts';

/** Where the server's own word differs from what was sent, one sentence each; empty when it stored all of it. */
export function differencesOf(
  { architecture, spec }: StoreRequest,
  uploaded: Digest,
  stored: StoredModel,
  facts: ServerFacts,
): string[] {
  return [
    ...layerDifference(uploaded, stored, facts),
    ...wordDifference('architecture', architecture, stored.architecture),
    ...templateDifference(spec.template, stored.template, facts),
    ...textDifference('licence', spec.license, stored.license),
    ...(spec.system === undefined ? [] : textDifference('system text', spec.system, stored.system)),
    ...parameterDifferences(spec.parameters, parseParameters(stored.parameters ?? '')),
  ];
}

function layerDifference(uploaded: Digest, { layerDigest }: StoredModel, facts: ServerFacts): string[] {
  if (layerDigest === undefined || layerDigest === uploaded) return [];
  return facts.capabilities.has('gguf-rewrite')
    ? [`The server rewrote the file, as Ollama does since 0.30: it stores ${layerDigest}, ${uploaded} was uploaded.`]
    : [`The server stores other bytes than were uploaded: ${layerDigest} instead of ${uploaded}.`];
}

function wordDifference(what: string, sent: string, stored: string | undefined): string[] {
  if (stored === undefined || stored === sent) return [];
  return [`The server reports the ${what} as ${stored}, not ${sent}.`];
}

function templateDifference(sent: string, stored: string | undefined, facts: ServerFacts): string[] {
  if (stored === sent) return [];
  if (stored === undefined || stored === '') return ['The server stored no template.'];
  if (facts.capabilities.has('jinja-template') && isJinja(stored)) {
    return ["The server shows the file's own Jinja template instead of the one that was sent, and may use it."];
  }
  return [`The server stored another template: it differs from character ${firstDifference(sent, stored)} on.`];
}

function textDifference(what: string, sent: string, stored: string | undefined): string[] {
  if (sent === (stored ?? '')) return [];
  if (stored === undefined || stored === '') return [`The server stored no ${what}.`];
  return [`The server stored another ${what}: it differs from character ${firstDifference(sent, stored)} on.`];
}

/** One-based, as editors count. */
function firstDifference(a: string, b: string): number {
  let index = 0;
  while (index < a.length && a[index] === b[index]) index += 1;
  return index + 1;
}

type Values = readonly (string | number | boolean)[];

/** One sentence each; `sent`: what was requested, `stored`: what `show` reports now. */
export function parameterDifferences(
  sent: StoreRequest['spec']['parameters'],
  stored: ReadonlyMap<string, Values>,
): string[] {
  const wanted = new Map(Object.entries(sent).map(([key, value]) => [key, Array.isArray(value) ? value : [value]]));
  const lost = [...wanted].flatMap(([key, values]) => parameterDifference(key, values, stored.get(key)));
  const added = [...stored]
    .filter(([key]) => !wanted.has(key))
    .map(([key, values]) => `The server added the parameter ${key} ${shown(values)}.`);
  return [...lost, ...added];
}

function parameterDifference(key: string, sent: Values, stored: Values | undefined): string[] {
  if (sent.length === 0 && stored === undefined) return [];
  if (stored === undefined) return [`The server did not store the parameter ${key} ${shown(sent)}.`];
  const same = sent.length === stored.length && sent.every((value) => stored.some((other) => sameValue(value, other)));
  return same ? [] : [`The server stored the parameter ${key} as ${shown(stored)}, not ${shown(sent)}.`];
}

/** Old servers keep numbers as 32-bit floats, so 0.7 comes back as 0.7 only to seven digits. */
function sameValue(a: string | number | boolean, b: string | number | boolean): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a));
  return a === b;
}

function shown(values: Values): string {
  return values.map((value) => JSON.stringify(value)).join(', ');
}
