import { formatBytes } from '../core/units.ts';
import type { RecommendationData } from './schema.ts';

interface Fact {
  readonly name: string;
  readonly value: string;
}

/** The host and the server that a recommendation is for. */
export function hostView({ hardware, limits, server, engine, tier }: RecommendationData) {
  const { os, cpu } = hardware;
  const facts: Fact[] = [
    { name: 'Host', value: hardware.name },
    { name: 'System', value: `${os.distribution} ${os.release}`.trim() },
    { name: 'CPU', value: `${cpu.model}, ${cpu.physicalCores} cores` },
    { name: 'RAM', value: `${formatBytes(limits.ram.freeBytes)} free of ${formatBytes(limits.ram.totalBytes)}` },
    ...(limits.gpus.length === 0 ? [{ name: 'GPU', value: 'none in use' }] : limits.gpus.map(gpuFact)),
    { name: 'Server', value: server === undefined ? engine : `Ollama ${server.version} (${server.endpoint})` },
    { name: 'Tier of the card', value: tier ?? 'none' },
  ];
  return { name: hardware.name, facts, warnings: hardware.warnings };
}

function gpuFact({ name, unified, freeBytes, totalBytes }: RecommendationData['limits']['gpus'][number]): Fact {
  const shared = unified ? ', shared with RAM' : '';
  return { name: 'GPU', value: `${name}, ${formatBytes(freeBytes)} free of ${formatBytes(totalBytes)}${shared}` };
}
