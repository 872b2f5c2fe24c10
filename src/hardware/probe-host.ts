import type { HardwareProbes, ProbeOptions } from './port.ts';
import { createProbeContext } from './probe-context.ts';
import { probeCpu } from './probes/cpu.ts';
import { probeDisks } from './probes/disks.ts';
import { probeGpus } from './probes/gpus.ts';
import { probeMemory } from './probes/memory.ts';
import { probeOs } from './probes/os.ts';
import { HostProfile } from './schema.ts';

/**
 * What this machine has. Never fails because of a probe: one that fails or hangs longer than its limit leaves a
 * warning, and the next best source is used. The probes run side by side.
 */
export async function probeHost(probes: HardwareProbes, options: ProbeOptions): Promise<HostProfile> {
  const context = createProbeContext(probes, options);
  const memoryThenGpus = async () => {
    const memory = await probeMemory(context);
    return { memory, gpus: await probeGpus(context, memory) };
  };
  const [os, cpu, { memory, gpus }, disks] = await Promise.all([
    probeOs(context),
    probeCpu(context),
    memoryThenGpus(),
    probeDisks(context),
  ]);
  if (memory.cgroupLimit !== undefined) {
    context.warnings.push(
      'The cgroup limit is that of this process; a server in another cgroup or container has its own.',
    );
  }
  return HostProfile.parse({
    schemaVersion: 1,
    name: options.hostName,
    os,
    cpu,
    memory,
    gpus,
    disks,
    sources: Object.fromEntries(Object.entries(context.sources).toSorted(([a], [b]) => a.localeCompare(b, 'en'))),
    warnings: [...new Set(context.warnings)],
  });
}
