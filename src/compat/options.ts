import { isNewer, nameOf, standing } from './evidence.ts';
import { matrix } from './matrix.ts';
import type { Matrix, OptionRow } from './schema.ts';
import type { Verdict } from './verdict.ts';
import { isIn, isPast, parseServerVersion, type ServerVersion } from './version.ts';

/**
 * Does this server support a Modelfile's parameter? Servers that read Modelfile text (before 0.5.5) refuse a model with
 * one that they do not know, so there it blocks; later ones store it and ignore it. Never throws.
 */
export function optionVerdict(name: string, version: string | ServerVersion, rows: Matrix = matrix()): Verdict {
  const server = typeof version === 'string' ? parseServerVersion(version) : version;
  const row = rows.options.find(({ id }) => id === name);
  if (row === undefined) return unknownOption(name, server, rows);
  const ok = isIn(server, row);
  const { basis, doubt } = standing(row, server, rows);
  const reason = ok
    ? `${nameOf(server)} supports the parameter ${name}`
    : `${nameOf(server)} does not support the parameter ${name} (${lifeOf(row, server)}); it ${fateOf(server, rows)}`;
  return {
    id: `option.${name}`,
    ok,
    blocking: !ok && refuses(server, rows),
    since: row.since,
    ...(row.until !== undefined && { until: row.until }),
    reason: `${reason}${doubt || '.'}`,
    ...(!ok && { remedy: remedyOf(row, server) }),
    basis,
  };
}

function lifeOf({ since, until }: OptionRow, server: ServerVersion): string {
  return isPast(server, until) ? `${until} was the last version with it` : `since ${since}`;
}

function remedyOf({ id, since, until }: OptionRow, server: ServerVersion): string {
  return isPast(server, until)
    ? `Remove PARAMETER ${id}.`
    : `Remove PARAMETER ${id}, or upgrade Ollama to ${since} or later.`;
}

function fateOf(server: ServerVersion, rows: Matrix): string {
  return refuses(server, rows) ? 'refuses a model that sets it' : 'stores and ignores it';
}

/** Modelfile text is checked by the server, fields are not. */
function refuses(server: ServerVersion, { capabilities }: Matrix): boolean {
  return capabilities.some((row) => row.id === 'create-modelfile' && isIn(server, row));
}

function unknownOption(name: string, server: ServerVersion, rows: Matrix): Verdict {
  const id = `option.${name}`;
  if (server.numbers === undefined || isNewer(server, rows)) {
    const reason = `No Ollama version up to ${rows.newestKnown} supports a parameter ${name}; whether ${nameOf(server)} does is not known.`;
    return { id, ok: true, blocking: false, reason, basis: 'unknown' };
  }
  return {
    id,
    ok: false,
    blocking: refuses(server, rows),
    reason: `No Ollama version up to ${rows.newestKnown} supports a parameter ${name}; ${nameOf(server)} ${fateOf(server, rows)}.`,
    remedy: `Remove PARAMETER ${name}, or correct its name.`,
    basis: 'source',
  };
}
