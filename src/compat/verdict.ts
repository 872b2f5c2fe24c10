import { nameOf, standing } from './evidence.ts';
import { matrix } from './matrix.ts';
import type { ArchitectureRow, LibraryRow, Matrix, Proof, Verified } from './schema.ts';
import { isAtLeast, parseServerVersion, type ServerVersion } from './version.ts';

export interface Question {
  /** `general.architecture` of the file. */
  readonly architecture: string;
  /** As the server reports it. */
  readonly version: string | ServerVersion;
  /** True when the server is to fetch the model from its own library, which has a gate of its own. */
  readonly pull?: boolean;
}

/** The answer to one question about one server. */
export interface Verdict {
  /**
   * `version`, `architecture.gemma3n`, `quant.q5_k_m`, `library.gemma3n`, `create.protocol`, `feature.render-only`,
   * `option.mirostat`, `danger.CVE-2026-7482`.
   */
  readonly id: string;
  readonly ok: boolean;
  /** True when it is not ok and there is no workaround: the request will not work on this server. */
  readonly blocking: boolean;
  /** First release that can, where one is known. */
  readonly since?: string;
  /** Last release that can, where it ended. */
  readonly until?: string;
  /** Ends with `(not verified: …)` if it was neither read in the source nor seen on a server. */
  readonly reason: string;
  /** What to do about it; absent when there is nothing to do. */
  readonly remedy?: string;
  /** The evidence of the row behind it; `unknown` when there is no row or no usable version. */
  readonly basis: Verified | 'unknown';
}

/**
 * Can this server run (or pull) a model of this architecture? What the matrix does not know is allowed with basis
 * `unknown`: the load proves it. Never throws.
 */
export function verdictFor(question: Question, rows: Matrix = matrix()): Verdict {
  const server = typeof question.version === 'string' ? parseServerVersion(question.version) : question.version;
  if (!isAtLeast(server, rows.oldestSupported)) return tooOldForUs(server, rows);
  const run = architectureVerdict(question.architecture, server, rows);
  const gate = question.pull ? rows.library.find((row) => row.architecture === question.architecture) : undefined;
  return gate !== undefined && run.ok ? libraryVerdict(gate, server, rows) : run;
}

/** Can this server run the architecture? A file that it cannot run has no other way in. */
export function architectureVerdict(architecture: string, server: ServerVersion, rows: Matrix): Verdict {
  const row = rows.architectures.find(({ id }) => id === architecture);
  if (row === undefined) return unknownArchitecture(architecture, server);
  const id = `architecture.${row.id}`;
  if (server.numbers === undefined) return unproven(id, row.since, server);
  const { basis, doubt } = standing(row, server, rows);
  if (isAtLeast(server, row.since)) {
    const reason = `Ollama ${server.raw} runs ${row.id} (since ${row.since})${noteOf(row)}`;
    return { id, ok: true, blocking: false, since: row.since, reason: `${reason}${doubt || '.'}`, basis };
  }
  return {
    id,
    ok: false,
    blocking: true,
    since: row.since,
    reason: `Ollama ${server.raw} does not support ${row.id} (since ${row.since}); it ${row.before}${doubt || '.'}`,
    remedy: `Upgrade Ollama to ${row.since} or later, or install with --runtime embedded.`,
    basis,
  };
}

/** What one model needs beyond its architecture, by its publisher or this project's catalog. */
export interface ModelGate {
  readonly id: string;
  readonly since: string;
  /** Why, as a noun or clause: `first version that runs it`. */
  readonly why: string;
}

/** Is this server new enough for one model of an architecture that it runs? The figure is the catalog's. */
export function modelVerdict({ id: model, since, why }: ModelGate, server: ServerVersion, rows: Matrix): Verdict {
  const id = `model.${model}`;
  if (server.numbers === undefined) return unproven(id, since, server);
  const { basis, doubt } = standing({ verified: 'source' }, server, rows);
  if (isAtLeast(server, since)) {
    const reason = `Ollama ${server.raw} runs ${model} (since ${since}: ${why})${doubt || '.'}`;
    return { id, ok: true, blocking: false, since, reason, basis };
  }
  return {
    id,
    ok: false,
    blocking: true,
    since,
    reason: `${model} needs Ollama ${since} or later (${why}); this server is ${server.raw}${doubt || '.'}`,
    remedy: `Upgrade Ollama to ${since} or later, or install with --runtime embedded.`,
    basis,
  };
}

/** What a pull from the server's library needs: a row of the matrix, or the catalog's own figure. */
type Gate = Pick<LibraryRow, 'id' | 'since' | 'note'> & Proof;

/** May this server pull the family from its library? A refusal leaves the way of a local file, so it never blocks. */
export function libraryVerdict(gate: Gate, server: ServerVersion, rows: Matrix, runsIt = true): Verdict {
  const id = `library.${gate.id}`;
  if (server.numbers === undefined) return unproven(id, gate.since, server);
  const { basis, doubt } = standing(gate, server, rows);
  const base = { id, blocking: false, since: gate.since, basis };
  const note = gate.note === undefined ? '' : ` (${gate.note})`;
  if (isAtLeast(server, gate.since)) {
    return {
      ...base,
      ok: true,
      reason: `Ollama ${server.raw} can pull ${gate.id} from the library${note}${doubt || '.'}`,
    };
  }
  const localFile = runsIt ? ', or install a local GGUF with --from FILE' : '';
  return {
    ...base,
    ok: false,
    reason: `The pre-built ${gate.id} of the library needs Ollama ${gate.since}${note}; this server is ${server.raw}${doubt || '.'}`,
    remedy: `Upgrade Ollama to ${gate.since} or later${localFile}.`,
  };
}

/** The verdict on a server that is older than all that this tool works with. */
export function tooOldForUs(server: ServerVersion, rows: Matrix): Verdict {
  return {
    id: 'version',
    ok: false,
    blocking: true,
    since: rows.oldestSupported,
    reason: `Ollama ${server.raw} is older than ${rows.oldestSupported}, the oldest version this tool works with.`,
    remedy: `Upgrade Ollama to ${rows.oldestSupported} or later, or install with --runtime embedded.`,
    basis: 'source',
  };
}

function unproven(id: string, since: string, server: ServerVersion): Verdict {
  const said = server.raw === '' ? 'no version' : `version "${server.raw}"`;
  const reason = `The server reports ${said}; only loading the model confirms that it has the features of ${since}.`;
  return { id, ok: true, blocking: false, since, reason, basis: 'unknown' };
}

function unknownArchitecture(architecture: string, server: ServerVersion): Verdict {
  const reason = `Whether ${nameOf(server)} runs ${architecture} is not known; only loading the model confirms it.`;
  return { id: `architecture.${architecture}`, ok: true, blocking: false, reason, basis: 'unknown' };
}

function noteOf({ note }: ArchitectureRow): string {
  return note === undefined ? '' : `; ${note}`;
}
