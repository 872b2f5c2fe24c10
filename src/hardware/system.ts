import { execFile } from 'node:child_process';
import { realDisk } from '../disk/disk.ts';
import type { HardwareProbes } from './port.ts';

/** The real host. Loads `systeminformation`, so call it only when a profile is really wanted. */
export async function hardwareProbes(): Promise<HardwareProbes> {
  const { default: systemInformation } = await import('systeminformation');
  return {
    // Its functions also take a callback, which must not get an argument of ours.
    systemInformation: {
      cpu: () => systemInformation.cpu(),
      cpuFlags: () => systemInformation.cpuFlags(),
      mem: () => systemInformation.mem(),
      osInfo: () => systemInformation.osInfo(),
      system: () => systemInformation.system(),
      graphics: () => systemInformation.graphics(),
    },
    exec: run,
    readText: (path) => realDisk.readFile(path, 'utf8'),
    listDir: (path) => realDisk.readdir(path),
    statfs: (path) => realDisk.space(path),
  };
}

function run(command: string, args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 1024 ** 2, windowsHide: true } as const;
    execFile(command, [...args], limits, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      // A program that fails says why on one of its outputs; nvidia-smi says it on stdout.
      const said = stderr.trim() || stdout.trim();
      if (said !== '' && typeof error.code === 'number') error.message = said;
      reject(error);
    });
  });
}
