import { MIB } from '../../core/units.ts';
import type { Outcome, ProbeContext } from '../probe-context.ts';
import { failureText, isAbsent, runWithTimeout } from '../probe-context.ts';
import type { HostProfile } from '../schema.ts';
import type { FoundGpu } from './gpu-kinds.ts';
import { visibleDevices } from './gpu-kinds.ts';

const FIELDS = ['index', 'uuid', 'name', 'memory.total', 'memory.free', 'driver_version', 'compute_cap'];
/** Drivers before 510 do not know the field. */
const OLD_FIELDS = FIELDS.filter((field) => field !== 'compute_cap');

/** Where nvidia-smi is when PATH does not have it. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  linux: ['/usr/lib/wsl/lib/nvidia-smi', '/usr/bin/nvidia-smi'],
  win32: ['C:\\Windows\\System32\\nvidia-smi.exe', 'C:\\Program Files\\NVIDIA Corporation\\NVSMI\\nvidia-smi.exe'],
};

export interface NvidiaFindings {
  readonly gpus: readonly FoundGpu[];
  /** nvidia-smi hangs: nothing else may call it without a limit of its own. */
  readonly hung: boolean;
  /** nvidia-smi answered, so the list is whole. */
  readonly answered: boolean;
}

const NOTHING: NvidiaFindings = { gpus: [], hung: false, answered: false };

/** GPUs by nvidia-smi, without those that CUDA_VISIBLE_DEVICES hides. */
export async function probeNvidia(context: ProbeContext, memory: HostProfile['memory']): Promise<NvidiaFindings> {
  const { options, warnings } = context;
  if (options.platform === 'darwin') return NOTHING;
  for (const command of ['nvidia-smi', ...(PLACES[options.platform] ?? [])]) {
    const outcome = await query(context, command);
    if (outcome.status === 'done') return findingsOf(context, outcome.value, command, memory);
    if (outcome.status === 'failed' && isAbsent(outcome.error)) continue;
    warnings.push(failureText(context, `Asking ${command} for the NVIDIA GPUs`, outcome));
    return { ...NOTHING, hung: outcome.status === 'timed-out' };
  }
  return NOTHING;
}

async function query(context: ProbeContext, command: string): Promise<Outcome<string>> {
  const outcome = await ask(context, command, FIELDS);
  if (outcome.status !== 'failed' || isAbsent(outcome.error) || isKilled(outcome.error)) return asHung(outcome);
  const second = await ask(context, command, OLD_FIELDS);
  return second.status === 'done' ? second : asHung(outcome);
}

function ask(context: ProbeContext, command: string, fields: readonly string[]): Promise<Outcome<string>> {
  const args = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'];
  return runWithTimeout(context, () => context.probes.exec(command, args, context.timeoutMs));
}

/** A program that our own limit ended hung as much as one that the context gave up on. */
function asHung(outcome: Outcome<string>): Outcome<string> {
  return outcome.status === 'failed' && isKilled(outcome.error) ? { status: 'timed-out' } : outcome;
}

function isKilled(error: unknown): boolean {
  return error instanceof Error && 'killed' in error && error.killed === true;
}

interface Row {
  readonly ordinal: number;
  readonly uuid: string;
  readonly name: string;
  readonly totalMiB: number | undefined;
  readonly freeMiB: number | undefined;
  readonly driver: string;
  readonly computeCapability: string | undefined;
}

function findingsOf(
  context: ProbeContext,
  csv: string,
  command: string,
  memory: HostProfile['memory'],
): NvidiaFindings {
  const { options, warnings } = context;
  const lines = csv.split('\n').filter((line) => line.trim() !== '');
  const rows = lines.flatMap(parseRow);
  if (rows.length < lines.length)
    warnings.push(`${command} printed ${lines.length - rows.length} lines that could not be parsed.`);
  const variable = options.env.CUDA_VISIBLE_DEVICES;
  const { devices, unknown } = visibleDevices(rows, variable);
  for (const entry of unknown) warnings.push(`CUDA_VISIBLE_DEVICES names ${entry}, which nvidia-smi does not list.`);
  if (devices.length < rows.length && unknown.length === 0) {
    warnings.push(
      `CUDA_VISIBLE_DEVICES=${variable} hides ${rows.length - devices.length} of ${rows.length} NVIDIA GPUs.`,
    );
  }
  warnOfOrder(context, rows, variable);
  const gpus = devices.map((row) => ({
    gpu: gpuOf(context, row, memory),
    source: `${command}, its GPU ${row.ordinal}`,
  }));
  return { gpus, hung: false, answered: rows.length > 0 };
}

/** `0, GPU-5c2b…, NVIDIA GeForce RTX 4060, 8188, 7822, 551.86, 8.9`; a name may hold commas. */
function parseRow(line: string): Row[] {
  const cells = line.split(',').map((cell) => cell.trim());
  const last = cells.at(-1) ?? '';
  const capability = /^\d+\.\d$/.test(last) || isMissing(last) ? cells.pop() : undefined;
  const [driver, freeMiB, totalMiB] = [cells.pop(), cells.pop(), cells.pop()];
  const [ordinal, uuid, ...name] = cells;
  if (!/^\d+$/.test(ordinal ?? '') || uuid === undefined || name.length === 0 || driver === undefined) return [];
  return [
    {
      ordinal: Number(ordinal),
      uuid,
      name: name.join(', '),
      totalMiB: mebibytes(totalMiB),
      freeMiB: mebibytes(freeMiB),
      driver,
      computeCapability: capability === undefined || isMissing(capability) ? undefined : capability,
    },
  ];
}

function isMissing(cell: string): boolean {
  return /^\[.*\]$/.test(cell) || /^n\/a$/i.test(cell);
}

function mebibytes(cell: string | undefined): number | undefined {
  return /^\d+(\.\d+)?$/.test(cell ?? '') ? Number(cell) : undefined;
}

/** Chips that share RAM with the CPU (GB10, Jetson) say `[N/A]` for their memory. */
function gpuOf(context: ProbeContext, row: Row, memory: HostProfile['memory']): FoundGpu['gpu'] {
  const common = {
    vendor: 'nvidia',
    model: row.name,
    driver: row.driver,
    ...(row.computeCapability !== undefined && { computeCapability: row.computeCapability }),
    backend: 'cuda',
  } as const;
  if (row.totalMiB === undefined || row.totalMiB === 0) {
    context.warnings.push(
      `${row.name} has no dedicated memory according to nvidia-smi: it is assumed to share the RAM.`,
    );
    return { ...common, memoryKind: 'unified', vramTotal: memory.total, vramFree: memory.usable };
  }
  const vramTotal = Math.round(row.totalMiB * MIB);
  if (row.freeMiB === undefined) {
    context.warnings.push(`nvidia-smi does not report the free memory of ${row.name}.`);
    return { ...common, memoryKind: 'dedicated', vramTotal };
  }
  return {
    ...common,
    memoryKind: 'dedicated',
    vramTotal,
    vramFree: Math.min(vramTotal, Math.round(row.freeMiB * MIB)),
  };
}

function warnOfOrder({ options, warnings }: ProbeContext, rows: readonly Row[], variable: string | undefined): void {
  const byNumber = /^\s*\d/.test(variable ?? '');
  const unlike = new Set(rows.map(({ name }) => name)).size > 1;
  if (!byNumber || !unlike || options.env.CUDA_DEVICE_ORDER === 'PCI_BUS_ID') return;
  warnings.push(
    'CUDA_VISIBLE_DEVICES has numbers and the GPUs differ: CUDA may number them differently from nvidia-smi. Use UUIDs or CUDA_DEVICE_ORDER=PCI_BUS_ID.',
  );
}
