import { isNewer, nameOf, rowDoubt, standing } from './evidence.ts';
import { valueAt } from './lookup.ts';
import type { ArchitectureRow, Matrix, QuantRow } from './schema.ts';
import type { Verdict } from './verdict.ts';
import { isAtLeast, type ServerVersion } from './version.ts';

/**
 * Does the server's engine load this quant of the architecture? Judged by the CPU, which every host has; what is known of
 * GPUs is part of the reason. The code that reads a type is the engine's, whatever the architecture: a type that was seen
 * to load for another architecture is inferred. One without any evidence is allowed with basis `unknown`: the load proves it.
 */
export function quantVerdict(architecture: string, quant: string, server: ServerVersion, rows: Matrix): Verdict {
  const wanted = quant.toLowerCase();
  const id = `quant.${wanted}`;
  // `q4_0-qat` is a file of the type Q4_0.
  const [type = wanted] = wanted.split('-');
  const runs = rows.architectures.find((row) => row.id === architecture);
  if (runs !== undefined && !isAtLeast(server, runs.since)) {
    return {
      id,
      ok: false,
      blocking: true,
      since: runs.since,
      reason: `${nameOf(server)} does not load any quant of ${architecture} (since ${runs.since}).`,
      remedy: `Upgrade Ollama to ${runs.since} or later, or install with --runtime embedded.`,
      basis: standing(runs, server, rows).basis,
    };
  }
  const engine = valueAt(rows.engines, server);
  const known = rows.quants.filter(
    (row) => row.architecture === architecture && row.engine === engine && row.quants.includes(type),
  );
  const cpu = known.find(({ device }) => device === 'cpu');
  if (cpu === undefined && runs !== undefined) {
    const other = rows.quants.find((row) => row.engine === engine && row.quants.includes(type) && loadsOnCpu(row));
    if (other !== undefined) return inferredQuant({ id, type, runs, other }, server, rows);
  }
  if (cpu === undefined || cpu.verdict === 'unknown') return unknownQuant(id, architecture, server);
  const { basis, doubt } = standing(cpu, server, rows);
  const gpu = known.find(({ device }) => device === 'gpu');
  return {
    id,
    ok: true,
    blocking: false,
    ...(runs !== undefined && { since: runs.since }),
    reason: `${nameOf(server)} loads ${wanted} of ${architecture} on the CPU${doubt}${gpuWord(gpu, server, rows)}`,
    basis,
  };
}

/** What the GPU row adds; its doubt comes last, so that a report is not mistaken for a test. */
function gpuWord(row: QuantRow | undefined, server: ServerVersion, rows: Matrix): string {
  if (row === undefined) return '.';
  const note = row.note === undefined ? (row.verdict === 'loads' ? 'it loads' : 'it is not known') : row.note;
  // The doubt about an unknown or newer server is already part of the reason.
  const alreadyDoubted = server.numbers === undefined || isNewer(server, rows);
  return `; on a GPU ${note}${alreadyDoubted ? '.' : rowDoubt(row) || '.'}`;
}

function loadsOnCpu({ device, verdict }: QuantRow): boolean {
  return device === 'cpu' && verdict === 'loads';
}

interface Inferred {
  readonly id: string;
  readonly type: string;
  readonly runs: ArchitectureRow;
  /** What was seen, for another architecture on the same engine. */
  readonly other: QuantRow;
}

function inferredQuant({ id, type, runs, other }: Inferred, server: ServerVersion, rows: Matrix): Verdict {
  const { basis, doubt } = standing({ verified: 'inferred' }, server, rows);
  const reason = `${nameOf(server)} loads ${type} of ${other.architecture} on the CPU, so it should load ${id.slice('quant.'.length)} of ${runs.id}`;
  return { id, ok: true, blocking: false, since: runs.since, reason: `${reason}${doubt}`, basis };
}

function unknownQuant(id: string, architecture: string, server: ServerVersion): Verdict {
  const quant = id.slice('quant.'.length);
  const reason = `Whether ${nameOf(server)} runs ${quant} of ${architecture} is not known; only loading the model confirms it.`;
  return { id, ok: true, blocking: false, reason, basis: 'unknown' };
}
