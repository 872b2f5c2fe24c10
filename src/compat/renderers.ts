/** Chat formats that a server has built in, which it uses instead of a TEMPLATE. */
import { nameOf, standing } from './evidence.ts';
import { matrix } from './matrix.ts';
import type { Matrix, RendererRow } from './schema.ts';
import type { Verdict } from './verdict.ts';
import { isAtLeast, isIn, type ServerVersion } from './version.ts';

/** The name under which this server writes the same prompt; undefined where it cannot. */
export function rendererHere({ id, since, standIn }: RendererRow, server: ServerVersion): string | undefined {
  if (isAtLeast(server, since)) return id;
  return standIn !== undefined && isIn(server, standIn) ? standIn.id : undefined;
}

/** The first release with a built-in format; undefined for one that the matrix does not know. */
export function rendererSince(renderer: string, rows: Matrix = matrix()): string | undefined {
  return rows.renderers.find(({ id }) => id === renderer)?.since;
}

/** How a server chooses between several prompts that one RENDERER stands for; undefined where the name says which. */
export function howRendererChooses(renderer: string, rows: Matrix = matrix()): string | undefined {
  return rows.renderers.find(({ id }) => id === renderer)?.chooses;
}

/**
 * Does this server write the prompt that the model was trained with? A server that has built-in formats for an architecture uses
 * them whatever TEMPLATE it is given, so a missing one has no way round it. What the matrix does not know is allowed: the proof
 * of the prompt finds out. `addsBos`: whether the file's tokenizer adds a BOS itself, where that is known.
 */
export function rendererVerdict(
  renderer: string,
  server: ServerVersion,
  rows: Matrix,
  { addsBos }: { readonly addsBos?: boolean | undefined } = {},
): Verdict {
  const id = `renderer.${renderer}`;
  const row = rows.renderers.find((other) => other.id === renderer);
  if (row === undefined) {
    const reason = `Whether ${nameOf(server)} has the built-in chat format ${renderer} is not known; only the proof of the prompt confirms it.`;
    return { id, ok: true, blocking: false, reason, basis: 'unknown' };
  }
  const here = rendererHere(row, server);
  const { basis, doubt } = standing(row, server, rows);
  if (here === undefined) {
    return {
      id,
      ok: false,
      blocking: true,
      since: row.since,
      reason: `The built-in chat format ${row.id} exists since ${row.since}; ${nameOf(server)} ${row.before}${doubt || '.'}`,
      remedy: `Upgrade Ollama to ${row.since} or later, or install with --runtime embedded.`,
      basis,
    };
  }
  const stripped = rows.capabilities.find((other) => other.id === 'bos-stripped');
  const doubles = row.writesBos && stripped !== undefined && !isIn(server, stripped);
  if (doubles && addsBos) {
    return {
      id,
      ok: false,
      blocking: true,
      since: stripped.since,
      reason: `${nameOf(server)} begins the prompt with a BOS token of its own and keeps the one that the tokenizer of this file adds (add_bos_token): the model would see two; ${stripped.since} and later remove one${doubt || '.'}`,
      remedy: `Upgrade Ollama to ${stripped.since} or later, or install with --runtime embedded.`,
      basis,
    };
  }
  const how = here === row.id ? `since ${row.since}` : `as ${here}; under its own name since ${row.since}`;
  const condition =
    doubles && addsBos === undefined
      ? `; a file whose tokenizer adds a BOS token (add_bos_token) needs ${stripped.since}`
      : '';
  const reason = `${nameOf(server)} has the built-in chat format ${row.id} (${how})${condition}${doubt || '.'}`;
  return { id, ok: true, blocking: false, since: row.since, reason, basis };
}
