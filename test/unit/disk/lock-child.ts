/** Child of lock.test.ts: adds one to a counter file N times under the lock, or holds the lock until it is killed. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from '../../../src/disk/lock.ts';
import { createFileLocker } from '../../../src/disk/locker.ts';

const [dir = '', mode = '', times = '0'] = process.argv.slice(2);
const locker = createFileLocker({ dir, command: `child ${mode}`, waitMs: 50_000 });
const signal = new AbortController().signal;
const counter = join(dir, 'counter');

if (mode === 'hold') {
  await withLock(locker, 'state', signal, async () => {
    process.send?.('held');
    await sleep(60_000);
  });
} else {
  for (let index = 0; index < Number(times); index += 1) {
    await withLock(locker, 'state', signal, async () => {
      const before = Number(await readFile(counter, 'utf8'));
      await sleep(5);
      await writeFile(counter, String(before + 1));
    });
  }
}
process.disconnect?.();
