import { isNewer } from './evidence.ts';
import { matrix } from './matrix.ts';
import { rendererHere } from './renderers.ts';
import type { CapabilityId, DangerRow, DefaultContext, EngineGeneration, Matrix } from './schema.ts';
import {
  compareNumbers,
  isAtLeast,
  isIn,
  isPast,
  numbersOf,
  parseServerVersion,
  type ServerVersion,
} from './version.ts';

/** What to expect of one server, from its version alone. */
export interface ServerFacts {
  readonly version: ServerVersion;
  /** How a model is created: Modelfile text (before 0.5.5) or fields and files. */
  readonly createProtocol: 'modelfile' | 'files';
  readonly engine: EngineGeneration;
  /** Peak disk in the models folder during a create, in sizes of the file. */
  readonly diskFactor: number;
  readonly defaultContext: DefaultContext;
  /** Default number of requests that one loaded model serves at once. */
  readonly defaultParallel: number;
  /** `repeat_penalty` of a model that names none. */
  readonly defaultRepeatPenalty: number;
  readonly capabilities: ReadonlySet<CapabilityId>;
  /** True when `prompt_eval_count` counts the whole prompt; else only what was not cached. */
  readonly promptCount: boolean;
  /** Built-in chat formats: the name that this server has for each that it can write, by the name that newer servers have. */
  readonly renderers: ReadonlyMap<string, string>;
  /** Modelfile parameters that older servers took and this one does not. */
  readonly optionsRemoved: readonly string[];
  /** Types that create can quantize to. */
  readonly quantizeTypes: readonly string[];
  /** Dangers that this version still has. */
  readonly dangers: readonly DangerRow[];
  /** Warnings about this version, one sentence each. */
  readonly warnings: readonly string[];
}

/** Looks a version up. Unknown and newer versions are treated as the newest known one, with a warning. Never throws. */
export function serverFacts(version: string | ServerVersion, rows: Matrix = matrix()): ServerFacts {
  const server = typeof version === 'string' ? parseServerVersion(version) : version;
  const capabilities = new Set(rows.capabilities.filter((row) => isIn(server, row)).map((row) => row.id));
  const dangers = rows.dangers.filter((row) => !isAtLeast(server, row.fixedIn));
  return {
    version: server,
    createProtocol: capabilities.has('create-files') ? 'files' : 'modelfile',
    engine: valueAt(rows.engines, server),
    diskFactor: valueAt(rows.diskFactor, server),
    defaultContext: valueAt(rows.defaultContext, server),
    defaultParallel: valueAt(rows.defaultParallel, server),
    defaultRepeatPenalty: valueAt(rows.defaultRepeatPenalty, server),
    capabilities,
    promptCount: capabilities.has('prompt-count'),
    renderers: new Map(
      rows.renderers.flatMap((row) => {
        const here = rendererHere(row, server);
        return here === undefined ? [] : [[row.id, here]];
      }),
    ),
    optionsRemoved: rows.options.filter(({ until }) => isPast(server, until)).map(({ id }) => id),
    quantizeTypes: valueAt(rows.quantizeTypes, server),
    dangers,
    warnings: [...versionWarnings(server, rows), ...dangers.map(dangerWarning)],
  };
}

interface Step<Value> {
  readonly since: string;
  readonly value: Value;
}

/** The last step that the server has reached; the first one for a server older than all. */
export function valueAt<Value>(steps: readonly Step<Value>[], server: ServerVersion): Value {
  const reached = steps.findLast((step) => isAtLeast(server, step.since)) ?? steps[0];
  if (reached === undefined) throw new RangeError('a step function needs a step');
  return reached.value;
}

/** What the version itself gives reason to warn of: at most one sentence. */
export function versionWarnings(server: ServerVersion, rows: Matrix): string[] {
  if (server.numbers === undefined) {
    const said = server.raw === '' ? 'no version' : `"${server.raw}"`;
    return [
      `The server reports ${said}, from which its version is not known; it is treated as Ollama ${rows.newestKnown}.`,
    ];
  }
  if (!isAtLeast(server, rows.oldestSupported)) {
    return [`Ollama ${server.raw} is older than ${rows.oldestSupported}, the oldest version this tool knows.`];
  }
  if (isNewer(server, rows)) {
    return [
      `Ollama ${server.raw} is newer than ${rows.newestKnown}, the newest version this tool knows; it is treated as that version.`,
    ];
  }
  if (server.kind === 'custom') {
    const plain = server.numbers.join('.');
    return [`Ollama ${server.raw} is a custom build; it is treated as ${plain}.`];
  }
  return [];
}

function dangerWarning(row: DangerRow): string {
  return `${row.id}: ${row.title} (fixed in Ollama ${row.fixedIn}). ${row.remedy}`;
}

/** Ollama releases that can load an architecture, both ends included; undefined for one that the matrix does not know. */
export function loadRange(
  architecture: string,
  rows: Matrix = matrix(),
): { readonly min: string; readonly max?: string } | undefined {
  const row = rows.architectures.find(({ id }) => id === architecture);
  if (row === undefined) return undefined;
  const { oldestSupported } = rows;
  return { min: compareNumbers(numbersOf(row.since), numbersOf(oldestSupported)) > 0 ? row.since : oldestSupported };
}
