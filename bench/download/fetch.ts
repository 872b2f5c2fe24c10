/** What one download takes: node fetch.ts URL SIZE DIGEST PATH. Tells the bytes that came. */

import { Digest } from '../../src/core/digest.ts';
import { drive } from '../../src/core/progress.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { createHttp } from '../../src/net/client.ts';
import { openDownloader } from '../../src/sources/download/index.ts';

const [url = '', size = '', digest = '', path = ''] = process.argv.slice(2);
const client = createHttp({ env: {} });
const remote = {
  ref: url,
  pinnedRef: url,
  fileName: 'model.gguf',
  sizeBytes: Number(size),
  digest: Digest.parse(digest) as `sha256:${string}`,
  access: { url, headers: {} },
};
const work = openDownloader(client.http, realDisk).fetch(remote, path, new AbortController().signal);
const { bytesMoved } = await drive(work, () => {});
await client.close();
console.log(bytesMoved);
