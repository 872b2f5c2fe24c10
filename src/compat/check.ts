/**
 * One server against what is wanted of it, by its version alone. `check` calls this for each of a thousand hosts, so
 * nothing here may load the schemas: the matrix is trusted, and a test validates it against them.
 */

import { isNewer } from './evidence.ts';
import { dangerVerdict, featureVerdict, featureVerdicts, projectorVerdict } from './features.ts';
import { versionWarnings } from './lookup.ts';
import { matrix } from './matrix.ts';
import { optionVerdict } from './options.ts';
import { quantVerdict } from './quants.ts';
import { rendererVerdict } from './renderers.ts';
import type { CapabilityId, Matrix } from './schema.ts';
import {
  architectureVerdict,
  libraryVerdict,
  type ModelGate,
  modelVerdict,
  tooOldForUs,
  type Verdict,
} from './verdict.ts';
import { isAtLeast, isIn, parseServerVersion, type ServerVersion } from './version.ts';

export type { Verdict } from './verdict.ts';

/** What the user wants to install or pull. */
export interface CheckTarget {
  /** `general.architecture` of the file. */
  readonly architecture: string;
  /** `q5_k_m`, in any case. */
  readonly quant?: string;
  /** True when the file is the first of several parts. */
  readonly fileSplit?: boolean;
  /** True when the model's projector is a file of its own. */
  readonly projector?: boolean;
  /** A model of the server's own library, `gemma3n:e4b`, and the version that its publisher asks for. */
  readonly pull?: { readonly library: string; readonly minimumVersion?: string };
  /** The built-in chat format that the model needs, as Ollama's RENDERER. */
  readonly renderer?: string;
  /** Whether the tokenizer of the file adds a BOS token, where its header is known. */
  readonly addsBos?: boolean;
  /** What the model needs beyond its architecture: the publisher's figure, and why. */
  readonly model?: ModelGate;
  /** Names of the Modelfile's parameters. */
  readonly parameters?: readonly string[];
}

/**
 * All verdicts on a server: its version first, then what the target needs, then features and dangers, in a fixed order.
 * Without a target: version, features, dangers. Never throws.
 */
export function checkServer(version: string, target?: CheckTarget, rows: Matrix = matrix()): readonly Verdict[] {
  const server = parseServerVersion(version);
  const features = featureVerdicts(server, rows, target?.architecture);
  return [
    versionVerdict(server, rows),
    ...(target === undefined ? [] : targetVerdicts(target, server, rows)),
    ...(target?.fileSplit ? features.map(needsSplit) : features),
    ...(target?.projector ? [projectorVerdict(target.architecture, server, rows)] : []),
    ...rows.dangers.map((row) => dangerVerdict(row, server, rows)),
  ];
}

/** True when nothing forbids it. */
export function isSupported(verdicts: readonly Verdict[]): boolean {
  return verdicts.every(({ ok, blocking }) => ok || !blocking);
}

function targetVerdicts(target: CheckTarget, server: ServerVersion, rows: Matrix): Verdict[] {
  const { architecture, quant, pull, renderer, model, parameters = [] } = target;
  const run = architectureVerdict(architecture, server, rows);
  return [
    run,
    ...(model === undefined ? [] : [modelVerdict(model, server, rows)]),
    // Who does not run the architecture needs no format for it.
    ...(renderer === undefined || !run.ok ? [] : [rendererVerdict(renderer, server, rows, target)]),
    ...(quant === undefined ? [] : [quantVerdict(architecture, quant, server, rows)]),
    ...(pull === undefined ? [] : [pullVerdict(pull, run.ok, server, rows)]),
    ...protocolVerdict(server, rows),
    ...[...new Set(parameters)].map((name) => optionVerdict(name, server, rows)),
  ];
}

function versionVerdict(server: ServerVersion, rows: Matrix): Verdict {
  if (!isAtLeast(server, rows.oldestSupported)) return tooOldForUs(server, rows);
  const base = { id: 'version', ok: true, blocking: false, since: rows.oldestSupported } as const;
  const [warning] = versionWarnings(server, rows);
  if (warning === undefined) {
    const seen = rows.seen.includes(server.raw.replace(/^v/, ''));
    const how = seen ? 'was tested for this matrix' : 'is known from its source code';
    return { ...base, reason: `Ollama ${server.raw} ${how}.`, basis: seen ? 'live' : 'source' };
  }
  const guessed = server.kind === 'custom' || isNewer(server, rows);
  const reason = `${warning.replace(/\.$/, '')} (not verified: only loading the model confirms it)`;
  return { ...base, reason, basis: guessed ? 'inferred' : 'unknown' };
}

/** A create that is split needs a server that joins the parts; nothing else does. */
function needsSplit(verdict: Verdict): Verdict {
  return verdict.id === 'feature.split-gguf' ? { ...verdict, blocking: !verdict.ok } : verdict;
}

/** The publisher's own figure goes before the matrix's row. */
function pullVerdict(
  { library, minimumVersion }: NonNullable<CheckTarget['pull']>,
  runsIt: boolean,
  server: ServerVersion,
  rows: Matrix,
): Verdict {
  const family = library.split('/').at(-1)?.split(':')[0] ?? library;
  const row = rows.library.find(({ id }) => id === family);
  const asked = minimumVersion === undefined ? undefined : parseServerVersion(minimumVersion);
  const since = asked?.numbers?.join('.');
  if (since !== undefined && since !== row?.since) {
    const gate = { id: family, since, verified: 'third-party', origin: 'model card' } as const;
    return libraryVerdict(gate, server, rows, runsIt);
  }
  if (row !== undefined) return libraryVerdict(row, server, rows, runsIt);
  const reason = `The version that ${family} of the library requires is not known; the registry refuses a pull by a server that is too old.`;
  return { id: `library.${family}`, ok: true, blocking: false, reason, basis: 'unknown' };
}

/** This tool supports both create protocols, so this only reports which one is used. */
function protocolVerdict(server: ServerVersion, rows: Matrix): Verdict[] {
  const row = rows.capabilities.find((other) => PROTOCOLS.has(other.id) && isIn(server, other));
  return row === undefined ? [] : [{ ...featureVerdict(row, server, rows), id: 'create.protocol' }];
}

const PROTOCOLS: ReadonlySet<CapabilityId> = new Set(['create-modelfile', 'create-files'] as const);
