import type { ServerFacts } from '../../compat/lookup.ts';
import type { Digest } from '../../core/digest.ts';
import type { ModelSpec } from '../../modelfile/schema.ts';
import type { StoredModel, StoreRequest } from '../contract.ts';
import { isJinja } from '../jinja.ts';
import { parameterDifferences, parseParameters } from '../parameters.ts';

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
    ...formatDifferences(spec, stored, facts),
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

/** With a built-in format no template was sent, and what the server shows as one has no effect. */
function formatDifferences({ template, builtIn }: ModelSpec, stored: StoredModel, facts: ServerFacts): string[] {
  if (builtIn === undefined) return templateDifference(template, stored.template, facts);
  const renderer = facts.renderers.get(builtIn.renderer) ?? builtIn.renderer;
  return [
    ...wordDifference('built-in chat format', renderer, stored.renderer ?? 'none'),
    ...wordDifference('parser of answers', builtIn.parser, stored.parser ?? 'none'),
  ];
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
