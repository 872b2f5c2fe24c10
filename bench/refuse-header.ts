/** Child of header.ts: refuses one file in a cold process and prints what it took; without a file, what the process takes itself. */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { messageOf } from '../src/core/errors.ts';
import { GIB } from '../src/core/units.ts';
import { fileSource } from '../src/gguf/file-source.ts';
import { readGgufHeader } from '../src/gguf/header.ts';

const [path] = process.argv.slice(2);
let ms = 0;
let fault = '';
if (path !== undefined) {
  const handle = await open(path);
  const started = performance.now();
  try {
    await readGgufHeader(fileSource(handle), { fileBytes: 13 * GIB });
  } catch (error) {
    ms = performance.now() - started;
    fault = messageOf(error).slice(0, 100);
  } finally {
    await handle.close();
  }
  if (fault === '') throw new Error(`${path} was not refused`);
}
console.log(JSON.stringify({ ms, mib: peakMib(), fault }));

/** Most memory that this process ever held. Linux hands `maxRSS` down from the parent, so its own figure is taken there. */
function peakMib(): number {
  const own =
    process.platform === 'linux'
      ? /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
      : undefined;
  return (own === undefined ? process.resourceUsage().maxRSS : Number(own)) / 1024;
}
