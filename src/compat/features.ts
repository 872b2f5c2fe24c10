import { nameOf, standing } from './evidence.ts';
import type { CapabilityRow, DangerRow, Matrix } from './schema.ts';
import type { Verdict } from './verdict.ts';
import { isAtLeast, isIn, rangeText, type ServerVersion } from './version.ts';

/** What a server makes of one capability of the matrix. Never blocks by itself: this tool has a way around each. */
export function featureVerdict(row: CapabilityRow, server: ServerVersion, rows: Matrix): Verdict {
  const present = isIn(server, row);
  const ok = row.kind === 'change' || present === (row.kind === 'ability');
  const { basis, doubt } = standing(row, server, rows);
  const range = rangeText(row);
  const said = present
    ? `${nameOf(server)}: ${row.title} (${range})`
    : `${range.charAt(0).toUpperCase()}${range.slice(1)}: ${row.title}; ${nameOf(server)} ${row.otherwise}`;
  return {
    id: `feature.${row.id}`,
    ok,
    blocking: false,
    since: row.since,
    ...(row.until !== undefined && { until: row.until }),
    reason: `${said}${doubt || '.'}`,
    ...(!ok && row.remedy !== undefined && { remedy: row.remedy }),
    basis,
  };
}

/** All features in the order of the matrix, `template-detection` in the light of the architecture. */
export function featureVerdicts(server: ServerVersion, rows: Matrix, architecture?: string): Verdict[] {
  return rows.capabilities.map((row) => {
    const detected = rows.detectedTemplates.find((other) => other.architecture === architecture);
    if (row.id !== 'template-detection' || detected === undefined) return featureVerdict(row, server, rows);
    const { basis, doubt } = standing(detected, server, rows);
    const found =
      detected.template === undefined || detected.since === undefined
        ? `No Ollama version detects a TEMPLATE for ${detected.architecture}`
        : `Ollama detects the TEMPLATE ${detected.template} for ${detected.architecture} since ${detected.since}`;
    const since = detected.since;
    const base = { id: `feature.${row.id}`, ok: true, blocking: false, basis } as const;
    return { ...base, ...(since !== undefined && { since }), reason: `${found}: ${detected.note}${doubt || '.'}` };
  });
}

/**
 * The first version with which this tool uses projectors: servers before llama-server run a model with a projector in
 * another engine than one without, and what memory that takes is not known here.
 */
export function firstWithProjectors(rows: Matrix): string {
  return rows.engines.find(({ value }) => value === 'ollama-b')?.since ?? rows.newestKnown;
}

/** Does the server use a projector that comes in a file of its own? Without it, pictures are lost or invented: blocking. */
export function projectorVerdict(architecture: string, server: ServerVersion, rows: Matrix): Verdict {
  const id = 'feature.projector';
  const row = rows.projectors.find((other) => other.architecture === architecture);
  if (row === undefined) {
    const reason = `Whether ${nameOf(server)} supports a projector for ${architecture} is not known; only using it confirms it.`;
    return { id, ok: true, blocking: false, reason, basis: 'unknown' };
  }
  const { basis, doubt } = standing(row, server, rows);
  const ok = isAtLeast(server, row.since);
  const reason = ok
    ? `${nameOf(server)} uses a separate projector file for ${architecture} (since ${row.since})`
    : `Separate projector files for ${architecture} are supported since ${row.since}; ${nameOf(server)} ${row.before}`;
  return {
    id,
    ok,
    blocking: !ok,
    since: row.since,
    reason: `${reason}${doubt || '.'}`,
    ...(!ok && { remedy: `Upgrade Ollama to ${row.since} or later, or create the model without the projector.` }),
    basis,
  };
}

/** Is the server free of a danger? Never blocks: whether to live with it is for its owner to say. */
export function dangerVerdict(row: DangerRow, server: ServerVersion, rows: Matrix): Verdict {
  const ok = isAtLeast(server, row.fixedIn);
  const { basis, doubt } = standing(row, server, rows);
  const fixed = `${row.title} (fixed in ${row.fixedIn})`;
  const reason = ok
    ? `Not in ${nameOf(server)}: ${fixed}`
    : `${nameOf(server)}: ${fixed}. ${row.detail.replace(/\.$/, '')}`;
  return {
    id: `danger.${row.id}`,
    ok,
    blocking: false,
    since: row.fixedIn,
    reason: `${reason}${doubt || '.'}`,
    ...(!ok && { remedy: row.remedy }),
    basis,
  };
}
