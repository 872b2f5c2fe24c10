/** A process that downloads until it is killed. */

import * as z from 'zod';
import type { Digest } from '../../../../src/core/digest.ts';
import { drive } from '../../../../src/core/progress.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import { createHttp } from '../../../../src/net/client.ts';
import { openDownloader } from '../../../../src/sources/download/index.ts';

const Work = z.object({
  path: z.string(),
  remote: z.object({
    ref: z.string(),
    pinnedRef: z.string(),
    fileName: z.string(),
    sizeBytes: z.number(),
    digest: z.custom<Digest>((value) => typeof value === 'string'),
    access: z.object({ url: z.string(), headers: z.record(z.string(), z.string()) }),
  }),
});

const { path, remote } = Work.parse(JSON.parse(process.argv[2] ?? ''));
const client = createHttp({ env: {} });
await drive(openDownloader(client.http, realDisk).fetch(remote, path, new AbortController().signal), () => {});
await client.close();
