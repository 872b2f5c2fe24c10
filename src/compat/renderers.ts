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
 * of the prompt finds out.
 */
export function rendererVerdict(renderer: string, server: ServerVersion, rows: Matrix): Verdict {
  const id = `renderer.${renderer}`;
  const row = rows.renderers.find((other) => other.id === renderer);
  if (row === undefined) {
    const reason = `Whether ${nameOf(server)} has the built-in chat format ${renderer} is not known; only the proof of the prompt confirms it.`;
    return { id, ok: true, blocking: false, reason, basis: 'unknown' };
  }
  const here = rendererHere(row, server);
  const { basis, doubt } = standing(row, server, rows);
  const base = { id, since: row.since, basis };
  if (here !== undefined) {
    const how = here === row.id ? `since ${row.since}` : `as ${here}; under its own name since ${row.since}`;
    const reason = `${nameOf(server)} has the built-in chat format ${row.id} (${how})${doubt || '.'}`;
    return { ...base, ok: true, blocking: false, reason };
  }
  return {
    ...base,
    ok: false,
    blocking: true,
    reason: `The built-in chat format ${row.id} exists since ${row.since}; ${nameOf(server)} ${row.before}${doubt || '.'}`,
    remedy: `Upgrade Ollama to ${row.since} or later, or install with --runtime embedded.`,
  };
}
