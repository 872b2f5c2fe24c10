/** Child of together.test.ts: fetches one file into the cache with the real parts, and tells how. */

import { Digest } from '../../../../src/core/digest.ts';
import { drive } from '../../../../src/core/progress.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import { openBytes } from '../../../../src/provision/bytes.ts';

const [cacheFolder = '', url = '', digest = '', size = '0'] = process.argv.slice(2);
const bytes = openBytes({ disk: realDisk, cacheFolder, env: {}, command: `child ${process.pid}` });
const file = {
  ref: url,
  pinnedRef: `${url}#${digest}`,
  fileName: 'a.gguf',
  sizeBytes: Number(size),
  digest: Digest.parse(digest),
  access: { url, headers: {} },
};
process.send?.('started');
const { path, bytesMoved } = await drive(bytes.fetch(file, new AbortController().signal), () => undefined);
process.send?.({ path, bytesMoved });
await bytes.close();
process.disconnect?.();
