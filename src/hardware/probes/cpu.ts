import * as z from 'zod';
import type { ProbeContext } from '../probe-context.ts';
import { attempt, runWithTimeout } from '../probe-context.ts';
import type { HostProfile } from '../schema.ts';

const SystemCpu = z.object({
  brand: z.string(),
  manufacturer: z.string(),
  cores: z.number(),
  physicalCores: z.number(),
});

/** Names in the kernel's words → ours; the ones that llama.cpp has kernels for. */
const VECTOR_FLAGS: Readonly<Record<string, string>> = {
  sse4_2: 'sse4_2',
  'sse4.2': 'sse4_2',
  ssse3: 'ssse3',
  avx: 'avx',
  'avx1.0': 'avx',
  avx2: 'avx2',
  fma: 'fma',
  f16c: 'f16c',
  bmi2: 'bmi2',
  avx512f: 'avx512f',
  avx512bw: 'avx512bw',
  avx512vl: 'avx512vl',
  avx512_vnni: 'avx512_vnni',
  avx512_bf16: 'avx512_bf16',
  avx_vnni: 'avx_vnni',
  amx_tile: 'amx_tile',
  amx_int8: 'amx_int8',
  amx_bf16: 'amx_bf16',
  neon: 'neon',
  asimd: 'neon',
  asimddp: 'dotprod',
  i8mm: 'i8mm',
  sve: 'sve',
  sve2: 'sve2',
  sme: 'sme',
};

export async function probeCpu(context: ProbeContext): Promise<HostProfile['cpu']> {
  const { options, probes, sources } = context;
  const [found, vectorFlags] = await Promise.all([
    attempt(context, 'Asking systeminformation for the CPU', async () =>
      SystemCpu.parse(await probes.systemInformation.cpu()),
    ),
    probeVectorFlags(context),
  ]);
  const known = found !== undefined && found.brand !== '';
  sources['cpu.model'] = known ? 'systeminformation cpu()' : 'os.cpus()';
  const logicalCores = positive(found?.cores) ?? positive(options.cpus.count) ?? 1;
  sources['cpu.logicalCores'] = positive(found?.cores) === undefined ? 'os.cpus()' : 'systeminformation cpu()';
  const physical = positive(found?.physicalCores);
  sources['cpu.physicalCores'] = physical === undefined ? 'cpu.logicalCores' : 'systeminformation cpu()';
  sources['cpu.architecture'] = 'process.arch';
  const brand = known ? found.brand : options.cpus.model;
  const vendor = found?.manufacturer.trim() ?? '';
  return {
    model: modelName(vendor, brand),
    vendor: vendor || 'unknown',
    architecture: options.architecture,
    physicalCores: Math.min(physical ?? logicalCores, logicalCores),
    logicalCores,
    vectorFlags,
  };
}

function modelName(vendor: string, brand: string): string {
  const name = brand.trim();
  if (name === '') return 'unknown';
  return vendor === '' || name.toLowerCase().startsWith(vendor.toLowerCase()) ? name : `${vendor} ${name}`;
}

/**
 * The flags only scale the speed estimate: engines choose their own kernels at run time. systeminformation's
 * Windows list is scrambled and never has AVX, and its macOS list does not contain AVX2, so neither is used.
 */
async function probeVectorFlags(context: ProbeContext): Promise<string[]> {
  const { options, probes, sources, warnings } = context;
  const arm = options.architecture === 'arm64';
  if (options.platform === 'win32' && !arm) {
    warnings.push('The vector flags of the CPU cannot be read on Windows; speed estimates assume none.');
    return [];
  }
  if (options.platform === 'darwin' || options.platform === 'win32') {
    if (arm) {
      sources['cpu.vectorFlags'] = 'every 64-bit ARM CPU of this system has NEON';
      return ['neon'];
    }
    return knownFlags(await macFlags(context));
  }
  const text = await attempt(context, 'Asking systeminformation for the CPU flags', async () =>
    z.string().parse(await probes.systemInformation.cpuFlags()),
  );
  sources['cpu.vectorFlags'] = 'systeminformation cpuFlags()';
  return knownFlags(text ?? '');
}

async function macFlags(context: ProbeContext): Promise<string> {
  const args = ['-n', 'machdep.cpu.features', 'machdep.cpu.leaf7_features'];
  const outcome = await runWithTimeout(context, () => context.probes.exec('sysctl', args, context.timeoutMs));
  context.sources['cpu.vectorFlags'] = 'sysctl machdep.cpu.features and machdep.cpu.leaf7_features';
  return outcome.status === 'done' ? outcome.value : '';
}

function knownFlags(text: string): string[] {
  const names = text.toLowerCase().split(/\s+/);
  return [...new Set(names.flatMap((name) => (Object.hasOwn(VECTOR_FLAGS, name) ? [VECTOR_FLAGS[name] ?? name] : [])))];
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && Number.isInteger(value) && value > 0 ? value : undefined;
}
