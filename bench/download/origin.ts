/** A process that serves one file the way a model hub does: node origin.ts PATH BYTES_PER_SECOND CUTS CUT_AFTER. Prints its port. */
import { createHash } from 'node:crypto';
import { createReadStream, openSync, readSync, statSync } from 'node:fs';
import { type Behaviour, startOrigin } from '../../test/helpers/origin.ts';

const [path = '', rate = '0', cuts = '0', cutAfter = '0'] = process.argv.slice(2);
const file = openSync(path, 'r');
const { size } = statSync(path);
const hash = createHash('sha256');
for await (const chunk of createReadStream(path)) hash.update(chunk);
const digest = hash.digest('hex');

const content = {
  size,
  etag: `"${digest}"`,
  read(offset: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
  },
};
/** Of a hub: what its client wants to know before it downloads. */
const HUB = { 'x-repo-commit': '0'.repeat(40), 'x-linked-size': String(size), 'x-linked-etag': `"${digest}"` };
let bodies = 0;

const origin = await startOrigin({
  files: { '/org/repo/resolve/main/model.gguf': content },
  behave: (_, { method }): Behaviour => {
    if (method !== 'GET') return { headers: HUB };
    bodies += 1;
    const cut = bodies <= Number(cuts) ? { cutAfter: Number(cutAfter) } : {};
    return { headers: HUB, ...(Number(rate) > 0 && { bytesPerSecond: Number(rate) }), ...cut };
  },
});
process.on('message', (word) => {
  if (word === 'sent') process.send?.({ sent: origin.sentBytes(), requests: origin.requests.length });
});
process.send?.({ url: `${origin.url}/org/repo/resolve/main/model.gguf`, hub: origin.url, digest });
