import { GIB, MIB } from '../../core/units.ts';
import type { ProbeContext } from '../probe-context.ts';
import { attempt, runWithTimeout } from '../probe-context.ts';
import type { HostProfile } from '../schema.ts';
import type { FoundGpu } from './gpu-kinds.ts';

/**
 * Share of RAM that Metal gives to one process when `iogpu.wired_limit_mb` was not raised. Seen: 0.75 (M3 Max
 * 128 GiB), 0.80 (M1 Max 64 GiB, macOS 26), 0.84 (M5 Max 128 GiB); it differs by version, so the floors are used.
 */
const SMALL_SHARE = 0.67;
const LARGE_SHARE = 0.75;
const SMALL_UP_TO = 16 * GIB;

/** The GPU of an Apple chip: it shares RAM up to Metal's limit. */
export async function probeApple(context: ProbeContext, memory: HostProfile['memory']): Promise<FoundGpu[]> {
  const { options } = context;
  if (options.platform !== 'darwin' || options.architecture !== 'arm64') return [];
  const [brand, size, wired] = await Promise.all([
    attempt(context, 'Asking sysctl for the chip', () => sysctl(context, 'machdep.cpu.brand_string')),
    attempt(context, 'Asking sysctl for the memory size', () => sysctl(context, 'hw.memsize')),
    // Absent before macOS 14: then there is nothing to raise.
    runWithTimeout(context, () => sysctl(context, 'iogpu.wired_limit_mb')),
  ]);
  const ram = wholeNumber(size) || memory.total;
  const raised = wired.status === 'done' ? wholeNumber(wired.value) * MIB : 0;
  const vramTotal =
    raised > 0 ? Math.min(raised, ram) : Math.floor(ram * (ram <= SMALL_UP_TO ? SMALL_SHARE : LARGE_SHARE));
  const share = ram <= SMALL_UP_TO ? SMALL_SHARE : LARGE_SHARE;
  const rule =
    raised > 0 ? 'iogpu.wired_limit_mb' : `${share} of hw.memsize, the minimum that Metal provides by default`;
  return [
    {
      gpu: {
        vendor: 'apple',
        model: brand?.trim() || 'Apple GPU',
        memoryKind: 'unified',
        vramTotal,
        vramFree: Math.min(vramTotal, memory.usable),
        backend: 'metal',
      },
      source: `sysctl: ${rule}; free: the smaller of that and memory.usable`,
    },
  ];
}

function sysctl(context: ProbeContext, name: string): Promise<string> {
  return context.probes.exec('sysctl', ['-n', name], context.timeoutMs);
}

function wholeNumber(text: string | undefined): number {
  const digits = text?.trim() ?? '';
  return /^\d+$/.test(digits) ? Number(digits) : 0;
}
