import { ProvisionError } from '../core/errors.ts';

/** A model's name in the runtime, by Ollama's rules: `[host[:port]/][namespace/]model[:tag]`. */
export interface ModelName {
  readonly host?: string;
  readonly namespace?: string;
  readonly model: string;
  /** `latest` when none was given. */
  readonly tag: string;
  /** As the user knows it, always with its tag: `gemma-3n-e4b:q5_k_m`. */
  readonly text: string;
  /** With every default filled in and in lower case: two names are the same model when these are equal. */
  readonly canonical: string;
}

type Part = 'host' | 'namespace' | 'model' | 'tag';

/** Lengths and characters of each part (Ollama's types/model/name.go, the same from v0.1.40 to v0.33). */
const RULES = {
  host: { pattern: /^[A-Za-z0-9_][A-Za-z0-9_.:-]*$/, limit: 350, allowed: 'letters, digits, "_", "-", "." and ":"' },
  namespace: { pattern: /^[A-Za-z0-9_][A-Za-z0-9_-]*$/, limit: 80, allowed: 'letters, digits, "_" and "-"' },
  model: { pattern: /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, limit: 80, allowed: 'letters, digits, "_", "-" and "."' },
  tag: { pattern: /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, limit: 80, allowed: 'letters, digits, "_", "-" and "."' },
} as const satisfies Record<Part, { pattern: RegExp; limit: number; allowed: string }>;

const SUGGESTIONS = ['Use a name such as gemma-3n-e4b or gemma-3n-e4b:q5_k_m.'];

/** Reads a name. Throws `bad-name` saying which part breaks which rule. */
export function parseModelName(text: string): ModelName {
  if (text === '') throw new ProvisionError('bad-name', 'The model name is empty.', { suggestions: SUGGESTIONS });
  const { path, tag } = splitTag(text);
  const parts = path.split('/');
  const model = parts.pop() ?? '';
  const namespace = parts.pop();
  const host = parts.pop();
  if (parts.length > 0) refuse(text, 'it has more than three parts between slashes');

  checkPart(text, 'model', model);
  if (tag !== undefined) checkPart(text, 'tag', tag);
  if (namespace !== undefined) checkPart(text, 'namespace', namespace);
  if (host !== undefined) checkPart(text, 'host', host);
  return assemble({ host, namespace, model, tag: tag ?? 'latest' });
}

/** The last colon starts the tag, unless a slash follows it: then it belongs to the host's port. */
function splitTag(text: string): { path: string; tag?: string } {
  const colon = text.lastIndexOf(':');
  if (colon <= text.lastIndexOf('/')) return { path: text };
  return { path: text.slice(0, colon), tag: text.slice(colon + 1) };
}

interface Parts {
  readonly host: string | undefined;
  readonly namespace: string | undefined;
  readonly model: string;
  readonly tag: string;
}

function assemble({ host, namespace, model, tag }: Parts): ModelName {
  const text = `${[host, namespace, model].filter((part) => part !== undefined).join('/')}:${tag}`;
  const canonical = `${host ?? 'registry.ollama.ai'}/${namespace ?? 'library'}/${model}:${tag}`.toLowerCase();
  return { ...(host && { host }), ...(namespace && { namespace }), model, tag, text, canonical };
}

function checkPart(text: string, part: Part, value: string): void {
  const { pattern, limit, allowed } = RULES[part];
  if (value === '') refuse(text, `its ${part} is empty`);
  if (value.length > limit) refuse(text, `its ${part} is ${value.length} characters long, the limit is ${limit}`);
  if (!pattern.test(value)) {
    refuse(text, `its ${part} may contain only ${allowed}, and must begin with a letter, a digit or "_"`);
  }
}

function refuse(text: string, reason: string): never {
  // JSON quoting makes control characters and blanks visible and keeps them out of the terminal.
  const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  throw new ProvisionError('bad-name', `${shown} is not a model name: ${reason}.`, { suggestions: SUGGESTIONS });
}

/** True when both texts name the same model; false when one of them is no name at all. */
export function sameModel(a: string, b: string): boolean {
  try {
    return parseModelName(a).canonical === parseModelName(b).canonical;
  } catch {
    return false;
  }
}
