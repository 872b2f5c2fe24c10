import * as z from 'zod';
import type { ProbeContext } from '../probe-context.ts';
import { attempt, readOptional } from '../probe-context.ts';
import type { HostProfile } from '../schema.ts';
import { type CgroupMemory, probeCgroup } from './cgroup.ts';

const SystemMemory = z.object({ total: z.number().positive(), available: z.number().nonnegative() });
interface HostMemory {
  readonly total: number;
  readonly available: number;
}

/** RAM that a new process can have. Swap is ignored: a model that swaps is too slow to use. */
export async function probeMemory(context: ProbeContext): Promise<HostProfile['memory']> {
  const [host, cgroup] = await Promise.all([hostMemory(context), cgroupOf(context)]);
  const total = Math.round(host.total);
  const available = Math.min(total, Math.round(host.available));
  const limit = cgroup !== undefined && cgroup.limit < total ? cgroup : undefined;
  if (limit === undefined) {
    context.sources['memory.usable'] = 'memory.available';
    return { total, available, usable: available };
  }
  const headroom = Math.max(0, Math.round(limit.headroom));
  Object.assign(context.sources, {
    'memory.cgroupLimit': limit.limitSource,
    'memory.cgroupHeadroom': limit.headroomSource,
    'memory.usable': 'the smaller of memory.available and memory.cgroupHeadroom',
  });
  return {
    total,
    available,
    cgroupLimit: Math.round(limit.limit),
    cgroupHeadroom: headroom,
    cgroupVersion: limit.version,
    usable: Math.min(available, headroom),
  };
}

async function cgroupOf(context: ProbeContext): Promise<CgroupMemory | undefined> {
  return context.options.platform === 'linux' ? probeCgroup(context) : undefined;
}

async function hostMemory(context: ProbeContext): Promise<HostMemory> {
  const { options, probes, sources } = context;
  const found = await attempt(context, 'Asking systeminformation for the memory', async () =>
    SystemMemory.parse(await probes.systemInformation.mem()),
  );
  if (found !== undefined) {
    const origin = options.platform === 'linux' ? ' (MemAvailable of /proc/meminfo)' : '';
    sources['memory.total'] = 'systeminformation mem().total';
    sources['memory.available'] = `systeminformation mem().available${origin}`;
    return found;
  }
  const fromFile = options.platform === 'linux' ? await fromMeminfo(context) : undefined;
  if (fromFile !== undefined) return fromFile;
  sources['memory.total'] = 'os.totalmem()';
  sources['memory.available'] = 'process.availableMemory()';
  return { total: options.totalMemory, available: options.availableMemory };
}

async function fromMeminfo(context: ProbeContext): Promise<HostMemory | undefined> {
  const text = await readOptional(context, '/proc/meminfo');
  const total = kibibytes(text, 'MemTotal');
  // MemFree would leave out the page cache, which the kernel gives back when asked; kernels before 3.14 have no better.
  const available = kibibytes(text, 'MemAvailable');
  if (total === undefined || available === undefined) return undefined;
  context.sources['memory.total'] = '/proc/meminfo MemTotal';
  context.sources['memory.available'] = '/proc/meminfo MemAvailable';
  return { total, available };
}

function kibibytes(text: string | undefined, field: string): number | undefined {
  const digits = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits) * 1024;
}
