import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '../../../src/core/digest.ts';
import type { ProgressEvent } from '../../../src/core/progress.ts';
import { type Disk, realDisk } from '../../../src/disk/disk.ts';
import { diskWith, failingDisk, fileWith } from '../../helpers/disk.ts';

export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'sources-'));
}

/** The real file system that counts the bytes it gave away. */
export function countingFiles(): { disk: Disk; bytesRead: () => number; largestBuffer: () => number } {
  let bytes = 0;
  let largest = 0;
  const disk = diskWith({
    open: async (path, flags) => {
      const file = await realDisk.open(path, flags);
      return fileWith(file, {
        read: async (buffer, offset, length, position) => {
          const result = await file.read(buffer, offset, length, position);
          bytes += result.bytesRead;
          largest = Math.max(largest, buffer.length);
          return result;
        },
      });
    },
  });
  return { disk, bytesRead: () => bytes, largestBuffer: () => largest };
}

export function failingWith(code: string, operation: keyof Disk): Disk {
  return failingDisk(operation, code);
}

export function bytesOf(events: readonly ProgressEvent[]): number[] {
  return events.flatMap((event) => (event.type === 'bytes' ? [event.done] : []));
}

export const OTHER_DIGEST: Digest = `sha256:${'0'.repeat(64)}`;
