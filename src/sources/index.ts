import { ProvisionError } from '../core/errors.ts';
import { redactReference } from '../core/redact.ts';
import { nearest } from '../core/suggest.ts';
import type { ResolvedSource, ResolveRequest, Source } from './contract.ts';
import { restOf, schemeOf } from './reference.ts';

/**
 * Finds what a reference names, without moving bytes: the first source that knows the form answers.
 * Throws `bad-usage` for a form that no source knows, and what the source throws.
 */
export async function resolveSource(sources: readonly Source[], request: ResolveRequest): Promise<ResolvedSource> {
  return findSource(sources, request.ref).resolve(request);
}

/** The source that knows the form of a reference; the reference is not resolved. Throws `bad-usage` when none does. */
export function findSource(sources: readonly Source[], ref: string): Source {
  if (ref.trim() === '')
    throw new ProvisionError('bad-usage', 'The reference is empty.', {
      suggestions: ['Pass a path, for example --from ./file.gguf'],
    });
  const source = sources.find((each) => each.matches(ref));
  if (source === undefined) throw unknownForm(sources, ref);
  return source;
}

function unknownForm(sources: readonly Source[], typed: string): ProvisionError {
  // A reference with a mistyped scheme may still contain a password.
  const ref = redactReference(typed);
  const scheme = schemeOf(ref) ?? '';
  const near = nearest(
    scheme,
    sources.map((source) => source.scheme),
  );
  // A web-like address is neither a file name nor a library name.
  const isAddress = ref.startsWith(`${scheme}://`);
  const hints = [
    near !== undefined && `Did you mean ${near}:${restOf(ref)}?`,
    near === undefined &&
      !isAddress &&
      sources.some((each) => each.scheme === 'ollama') &&
      `For a model of the Ollama library write ollama:${ref}`,
    !isAddress && `For a file whose name has a colon write file:${ref} or ./${ref}`,
    `Known forms: ${sources.map((each) => `${each.scheme}: (${each.description})`).join(', ')}.`,
  ];
  return new ProvisionError('bad-usage', `${scheme}: references are not supported: ${ref}`, {
    suggestions: hints.filter((hint) => typeof hint === 'string'),
  });
}
