import type { Disk } from '../disk/disk.ts';
/**
 * Memory that the processes below `pid` hold in RAM, in bytes (VmRSS of /proc; shared pages count in each). Undefined
 * where the system has no /proc. Processes that end meanwhile, or belong to others, are left out.
 */
export async function residentBelow(disk: Disk, pid: number): Promise<number | undefined> {
  const names = await disk.readdir('/proc').catch(() => undefined);
  if (names === undefined) return undefined;
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const processes = await Promise.all(pids.map((each) => statusOf(disk, each)));
  const known = processes.filter((each) => each !== undefined);
  if (known.length === 0) return undefined;
  let bytes = 0;
  const waiting = [pid];
  for (let parent = waiting.pop(); parent !== undefined; parent = waiting.pop()) {
    for (const child of known.filter((each) => each.parent === parent)) {
      bytes += child.residentBytes;
      waiting.push(child.pid);
    }
  }
  return bytes;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly residentBytes: number;
}

async function statusOf(disk: Disk, pid: number): Promise<Process | undefined> {
  const status = await disk.readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const parent = /^PPid:\s+(\d+)$/m.exec(status)?.[1];
  if (parent === undefined) return undefined;
  // Kernel threads and zombies have none.
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? '0';
  return { pid, parent: Number(parent), residentBytes: Number(kibibytes) * 1024 };
}
