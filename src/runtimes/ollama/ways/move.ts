import type { Digest } from '../../../core/digest.ts';
import type { Work } from '../../../core/progress.ts';
import type { OpenForReading } from '../../../disk/disk.ts';
import type { HashFile } from '../../../disk/hash.ts';
import type { LocalFile } from '../../../sources/contract.ts';
import type { StorableFile, TransferWay } from '../../contract.ts';
import { isElsewhere, isHere } from '../../storable.ts';
import { hasBlob, uploadBlob } from '../blobs.ts';
import type { Connection } from '../client.ts';
import { blobFile } from '../folder/files.ts';
import type { ProvenFolder } from '../folder/probe.ts';
import { putCopy } from './copy.ts';
import { putHardLink } from './hard-link.ts';
import { withoutOrphan } from './orphan.ts';
import { type Put, verified, WayClosed } from './put.ts';
import { putReflink } from './reflink.ts';
import { streamBlob } from './stream.ts';

export interface Move {
  readonly connection: Connection;
  readonly files: { readonly open: OpenForReading; readonly hash: HashFile };
  readonly way: TransferWay;
  readonly file: StorableFile;
  readonly digest: Digest;
  readonly proven: ProvenFolder | undefined;
  readonly startedAt: Date;
}

/** Moves the bytes by one way and returns how many. A pull moves them later, with the stub. Throws `WayClosed` for a way that turns out not to work. */
export async function* moveBytes(move: Move, signal: AbortSignal): Work<number> {
  const { way, file } = move;
  if (way === 'loopback-pull') return 0;
  if (way === 'present') return yield* alreadyThere(move, signal);
  if (way === 'stream' && isElsewhere(file)) {
    return yield* keepingNoOrphan(move, streamBlob(move.connection, file, move.digest, signal));
  }
  if (!isHere(file)) throw new WayClosed('the file is not on this machine');
  if (way === 'upload') {
    const upload = uploadBlob(move.connection, move.files.open, { file, digest: move.digest }, signal);
    return yield* keepingNoOrphan(move, upload);
  }
  return yield* intoFolder(move, file, signal);
}

async function* alreadyThere({ file, files }: Move, signal: AbortSignal): Work<number> {
  // Nothing moves, so nobody else would notice that the file is not what its digest says.
  if (isHere(file) && file.digest !== undefined) yield* verified({ file, hash: files.hash, signal });
  const title = `upload ${isHere(file) ? file.path : file.ref}`;
  yield { type: 'phase', id: 'upload', title, status: 'skipped', detail: 'the server has these bytes' };
  return 0;
}

async function* keepingNoOrphan({ startedAt, proven }: Move, sending: Work<number>): Work<number> {
  try {
    return yield* sending;
  } catch (thrown) {
    throw await withoutOrphan(thrown, startedAt, proven);
  }
}

const PUT: Readonly<Partial<Record<TransferWay, (put: Put) => Work<number>>>> = {
  'hard-link': putHardLink,
  reflink: putReflink,
  copy: putCopy,
};

async function* intoFolder(
  { connection, files, way, digest, proven: folder }: Move,
  file: LocalFile,
  signal: AbortSignal,
): Work<number> {
  const put = PUT[way];
  if (folder === undefined || put === undefined) throw new WayClosed('the models folder is not known');
  const moved = yield* put({ folder, file, digest, hash: files.hash, signal });
  if (await hasBlob(connection, digest, signal)) return moved;
  await folder.files.rm(blobFile(folder.blobs, digest), { force: true }).catch(() => undefined);
  throw new WayClosed('the server does not see what was put into its folder');
}
