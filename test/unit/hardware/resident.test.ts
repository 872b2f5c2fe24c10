import { expect, test } from 'vitest';
import type { Disk } from '../../../src/disk/disk.ts';
import { residentBelow } from '../../../src/hardware/resident.ts';
import { memoryDisk } from '../../helpers/disk.ts';

/** A /proc of processes: parent and kB of RAM. */
function proc(processes: Readonly<Record<number, readonly [parent: number, kilobytes?: number]>>): Disk {
  return {
    ...memoryDisk(),
    readdir: async () => ['self', 'net', ...Object.keys(processes)],
    async readFile(path) {
      const pid = Number(/^\/proc\/(\d+)\/status$/.exec(path)?.[1]);
      const found = processes[pid];
      if (found === undefined) throw Object.assign(new Error('gone'), { code: 'ENOENT' });
      const [parent, kilobytes] = found;
      const resident = kilobytes === undefined ? '' : `VmRSS:\t  ${kilobytes} kB\n`;
      return `Name:\tx\nPid:\t${pid}\nPPid:\t${parent}\n${resident}`;
    },
  };
}

test('children and their children count, the process itself and others do not', async () => {
  const disk = proc({ 1: [0, 10], 5: [1, 100], 6: [5, 200], 7: [6, 400], 8: [1, 800] });
  expect(await residentBelow(disk, 5)).toBe(600 * 1024);
  expect(await residentBelow(disk, 7)).toBe(0);
});

test('a process without memory of its own, or one that ended meanwhile, is left out', async () => {
  const disk = proc({ 5: [1, 1], 6: [5], 7: [5, 4] });
  const gone = { ...disk, readdir: async () => ['5', '6', '7', '9'] };
  expect(await residentBelow(gone, 5)).toBe(4 * 1024);
});

test('nothing is told where there is no /proc', async () => {
  const none: Disk = {
    ...memoryDisk(),
    readdir: async () => Promise.reject(new Error('ENOENT')),
    readFile: async () => '',
  };
  expect(await residentBelow(none, 5)).toBeUndefined();
  expect(await residentBelow({ ...none, readdir: async () => ['1'] }, 5)).toBeUndefined();
});
